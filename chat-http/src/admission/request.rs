//! Keeps the head of a request for the endpoint that decides on its client.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;

use chat_core::{Connect, Extensions};
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::trusted::HeadRef;

/// Holds the head of the request by which a client came, exactly as it came in. Every transport here hands it
/// to the endpoint, among the extensions of its [`Connect`].
///
/// The head is at most as large as [`HeadLimits`](crate::HeadLimits) allow, and is dropped once the endpoint
/// has answered. Nothing of it is shown by `Debug` but its method and path, since cookies, headers
/// and queries hold secrets.
///
/// ```
/// use chat_core::{Connect, Endpoint, Identity, Refusal, SessionId};
/// use chat_http::RequestHead;
///
/// /// Holds what the server's own middleware found out, and left among the request's extensions.
/// #[derive(Clone)]
/// struct User(String);
///
/// struct Logins;
///
/// impl Endpoint for Logins {
///     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
///         let request = RequestHead::of(&connect);
///         let user = request.and_then(|request| request.extension::<User>());
///         let User(name) = user.ok_or_else(|| Refusal::unauthorized("log in first"))?;
///         Ok(Identity::named(name.parse()?))
///     }
/// }
/// # use std::sync::Arc;
/// # use chat_core::{Hub, testkit::{Script, Way, World}};
/// # use chat_core::protocol::Credentials;
/// # let (mut parts, ()) = http::Request::get("/ws").body(()).unwrap().into_parts();
/// # parts.extensions.insert(User("ann".into()));
/// # let world = World::new();
/// # let hub = Hub::builder(Logins).build(world.clone());
/// # let permit = hub.acceptor().permit().unwrap().with(RequestHead::from(parts).into_extensions());
/// # let ann = world.connect_on(permit, Arc::new(Script), Credentials::Later, Way::Bytes);
/// # ann.say("connect");
/// # assert_eq!(ann.heard(), ["connected 1 ann"]);
/// ```
#[derive(Clone)]
pub struct RequestHead(Parts);

impl RequestHead {
    /// Returns the request by which this client came; none where its transport has none.
    pub fn of(connect: &Connect) -> Option<&Self> {
        connect.extensions.get()
    }

    /// Returns the method.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Returns the path, as it was sent: nothing is decoded.
    pub fn path(&self) -> &str {
        self.0.uri.path()
    }

    /// Returns the query behind the path, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.0.uri.query()
    }

    /// Returns the headers, with all lines of those that were sent several times.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the value of the first cookie of this name, as it was sent: nothing is decoded, and quotes
    /// stay. None also for a value that is no text.
    ///
    /// ```
    /// use chat_http::RequestHead;
    /// use http::Request;
    ///
    /// let request = Request::get("/ws").header("cookie", "theme=dark; session=b7f2").body(()).unwrap();
    /// let head = RequestHead::from(request.into_parts().0);
    /// assert_eq!(head.cookie("session"), Some("b7f2"));
    /// assert_eq!(head.cookie("sess"), None);
    /// ```
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the names and values of the cookies in their order, over all lines of the header (RFC 6265
    /// §4.2). Skips what has no `=`, and what is no text.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.headers.get_all(COOKIE).into_iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let texts = pairs.filter_map(|pair| str::from_utf8(pair).ok()?.split_once('='));
        texts.map(|(name, value)| (name.trim(), value.trim()))
    }

    /// Returns the client's address, as the server and the proxies that it trusts know it; none if nobody
    /// has said it: see [`HeadRef::client_address`].
    pub fn client_address(&self) -> Option<IpAddr> {
        HeadRef::from(&self.0).client_address()
    }

    /// Returns the value of this type that the server's middleware has left among the request's extensions.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.extensions.get()
    }

    /// Returns the head in the form that hyper, axum and tower have for it.
    pub fn parts(&self) -> &Parts {
        &self.0
    }

    /// Returns the extensions by which an endpoint is given this head: see
    /// [`Permit::with`](chat_core::transport::Permit::with).
    pub fn into_extensions(self) -> Extensions {
        Extensions::new().with(self)
    }

    /// Clones the head, for what takes it by value, such as an extractor.
    pub fn to_parts(&self) -> Parts {
        self.0.clone()
    }
}

impl From<HeadRef<'_>> for RequestHead {
    fn from(head: HeadRef<'_>) -> Self {
        Self(head.to_parts())
    }
}

impl From<Parts> for RequestHead {
    fn from(parts: Parts) -> Self {
        Self(parts)
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RequestHead");
        shown.field("method", self.method()).field("path", &self.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn head(cookies: &[&[u8]]) -> RequestHead {
        let mut request = Request::get("/ws?token=secret").body(()).expect("a request");
        cookies.iter().for_each(|line| {
            request.headers_mut().append(COOKIE, HeaderValue::from_bytes(line).expect("a value"));
        });
        RequestHead::from(request.into_parts().0)
    }

    #[test]
    fn cookies_are_read_by_their_names_over_all_lines_and_the_first_of_a_name_counts() {
        let head = head(&[b"a=1; b = two=2 ;c=\"3\"", b"", b";;d;=e; a=4; f=", b"bad=\xff; g=7"]);
        for (name, value) in [("a", "1"), ("b", "two=2"), ("c", "\"3\""), ("", "e"), ("f", ""), ("g", "7")] {
            assert_eq!(head.cookie(name), Some(value), "{name}");
        }
        for none in ["d", "A", "bad", "a=1"] {
            assert_eq!(head.cookie(none), None, "{none}");
        }
        assert_eq!(head.cookies().count(), 7);
        assert_eq!(head.headers().get_all(COOKIE).iter().count(), 4, "all lines are there");
    }

    #[test]
    fn no_secret_of_a_request_is_shown() {
        let shown = format!("{:?}", head(&[b"session=secret"]));
        assert_eq!(shown, "RequestHead { method: GET, path: \"/ws\", .. }");
    }
}
