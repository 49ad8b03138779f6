//! Reads the head of a request, however its bytes arrive, within its bounds.

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version};

use super::scanner::{HeadLimits, HeadScanner};
use crate::admission::Rejection;

/// Reads a request to open a WebSocket, for adapters that have no HTTP library.
///
/// ```
/// use chat_http::{HeadLimits, RequestReader};
///
/// let mut reader = RequestReader::new(HeadLimits::default());
/// assert!(reader.push(b"GET /ws HTTP/1.1\r\nHost: a.exa")?.is_none());
/// let request = reader.push(b"mple\r\n\r\n\x81")?.expect("it is whole");
/// assert_eq!((request.head.uri().path(), &*request.rest), ("/ws", &b"\x81"[..]));
/// # Ok::<(), chat_http::Rejection>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestReader {
    scanner: HeadScanner,
    head: Vec<u8>,
}

/// Holds a request and the bytes that came after its head.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpeningRequest {
    /// Holds the head.
    pub head: Request<()>,
    /// Holds what came after it: the client's first frames.
    pub rest: Vec<u8>,
}

impl RequestReader {
    /// Makes a reader that waits for the first byte.
    pub fn new(limits: HeadLimits) -> Self {
        Self { scanner: HeadScanner::new(limits), head: Vec::new() }
    }

    /// Takes in what came, and returns the request once it is whole.
    ///
    /// # Errors
    /// Returns [`Rejection::TooLarge`] or [`Rejection::Malformed`]; push nothing more then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<OpeningRequest>, Rejection> {
        let end = self.scanner.follow(bytes)?;
        self.head.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        let Some(end) = end else { return Ok(None) };
        let head = parse(&self.head, self.scanner.limits.headers)?;
        self.head = Vec::new();
        Ok(Some(OpeningRequest { head, rest: bytes[end..].to_vec() }))
    }
}

fn parse(head: &[u8], headers: usize) -> Result<Request<()>, Rejection> {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut parsed = vec![httparse::EMPTY_HEADER; headers.min(lines)];
    let mut request = httparse::Request::new(&mut parsed);
    let status = request.parse(head).map_err(|_| Rejection::Malformed)?;
    if status.is_partial() {
        return Err(Rejection::Malformed);
    }
    build(&request).ok_or(Rejection::Malformed)
}

fn build(parsed: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = parsed.path?.parse::<Uri>().ok()?;
    *request.version_mut() = if parsed.version? == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

/// Writes a response as it stands on the wire, with the length of its body unless it is a 101.
pub fn to_bytes<B: AsRef<[u8]>>(response: &Response<B>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        out.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let body = response.body().as_ref();
    if status != http::StatusCode::SWITCHING_PROTOCOLS {
        out.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"GET /ws?name=ann HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\nrest";

    fn push(bytes: &[u8]) -> Result<Option<OpeningRequest>, Rejection> {
        RequestReader::new(HeadLimits::default()).push(bytes)
    }

    #[test]
    fn a_request_is_the_same_however_its_bytes_arrive() {
        for cut in 0..GOOD.len() - 4 {
            let mut reader = RequestReader::new(HeadLimits::default());
            assert!(reader.push(&GOOD[..cut]).expect("fine so far").is_none());
            let request = reader.push(&GOOD[cut..]).expect("fine").expect("whole");
            assert_eq!(request.head.uri().query(), Some("name=ann"));
            assert_eq!(request.head.headers()["upgrade"], "websocket");
            assert_eq!(request.rest, b"rest");
        }
    }

    #[test]
    fn a_head_over_a_bound_is_refused_though_no_line_ever_ends() {
        let too_large = |bytes: &[u8]| matches!(push(bytes), Err(Rejection::TooLarge));
        assert!(too_large(&[b'x'; 32 * 1024 + 1]));
        assert!(too_large(&[b"GET / HTTP/1.1\r\n", &b"x: y\r\n".repeat(101)[..]].concat()));
        let headers = |n| [b"GET / HTTP/1.1\r\n", &b"x: y\r\n".repeat(n)[..], b"\r\n"].concat();
        assert!(push(&headers(100)).is_ok_and(|request| request.is_some()));
        assert!(too_large(&headers(101)));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            &b"\x16\x03\x01\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: \0\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
        ] {
            assert!(matches!(push(bad), Err(Rejection::Malformed)), "{}", String::from_utf8_lossy(bad));
        }
    }
}
