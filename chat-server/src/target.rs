//! Normalizes the target of a request.

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Method};
use axum::middleware::map_request;

/// Routes each request by its path without empty segments: a trailing or a doubled slash makes no difference,
/// as at Phoenix's own server. An unneeded escape such as `%77` is read as `w`, and the host of an absolute
/// target replaces the header `Host` (RFC 9112 §3.2.2).
pub(crate) fn plainly(routes: Router) -> Router {
    Router::new().fallback_service(routes).layer(map_request(async |request: Request| plain(request)))
}

fn plain(mut request: Request) -> Request {
    let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().insert(HOST, host);
    }
    let uri = request.uri();
    let path = match (request.method(), uri.path()) {
        // The target is the server as a whole (RFC 9110 §9.3.7).
        (&Method::OPTIONS, "*") => "/".to_owned(),
        (_, path) => plain_path(path),
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(target) = PathAndQuery::try_from(path + &query) {
        *request.uri_mut() = Uri::from(target);
    }
    request
}

fn plain_path(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("/{}", plain_part(part))).collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Removes the escapes of characters that need none (RFC 3986 §6.2.2.2). All others stay: `%2F` is no slash.
fn plain_part(part: &str) -> String {
    let mut pieces = part.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => plain.extend([&char::from(byte).to_string(), &piece[2..]]),
            None => plain.extend(["%", piece]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn target(method: Method, uri: &str) -> (String, Option<String>) {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).expect("a request");
        let request = plain(request);
        let host = request.headers().get(HOST).map(|host| host.to_str().expect("text").to_owned());
        (request.uri().to_string(), host)
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for (written, read) in [
            ("/ws", "/ws"),
            ("/ws/", "/ws"),
            ("//ws//", "/ws"),
            ("/socket//websocket/?vsn=2.0.0", "/socket/websocket?vsn=2.0.0"),
            ("/", "/"),
            ("//", "/"),
            ("/?", "/?"),
            ("/ws/?name=a//b%2Fc", "/ws?name=a//b%2Fc"),
            ("/%77s", "/ws"),
            ("/%77%73?a=%77", "/ws?a=%77"),
            ("/socket%2Fwebsocket", "/socket%2Fwebsocket"),
            ("/%2f%2F/x", "/%2f%2F/x"),
            ("/%", "/%"),
            ("/%7", "/%7"),
            ("/%+1a", "/%+1a"),
            ("/%zz%25%77", "/%zz%25w"),
        ] {
            assert_eq!(target(Method::GET, written), (read.to_owned(), None), "{written}");
        }
        assert_eq!(target(Method::OPTIONS, "*").0, "/");
    }

    #[test]
    fn a_host_before_the_path_stands_in_place_of_the_header() {
        let read = target(Method::GET, "http://chat.example:81//ws/?a=b");
        assert_eq!(read, ("/ws?a=b".to_owned(), Some("chat.example:81".to_owned())));
    }
}
