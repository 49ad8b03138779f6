//! Follows a request's head as its bytes go by: finds its end, and the first byte with which it can be none.

use http::{Request, Uri};

use crate::admission::Rejection;
use crate::limits::HttpLimits;
use chat_websocket::fields::is_token_byte;

/// Bounds the head of a request, as [`HttpLimits`] say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Limits its bytes.
    pub bytes: usize,
    /// Limits the bytes of a line.
    pub line: usize,
    /// Limits the number of its headers.
    pub headers: usize,
}

impl From<&HttpLimits> for HeadLimits {
    fn from(limits: &HttpLimits) -> Self {
        Self { bytes: limits.head_bytes, line: limits.head_line_bytes, headers: limits.head_headers }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::from(&HttpLimits::default())
    }
}

impl HeadLimits {
    /// Returns whether the head of a request keeps these bounds, measured as it stood on the wire with one
    /// space behind each colon. For requests that an HTTP library has read, which knows no bound on a line.
    pub fn admits<B>(&self, request: &Request<B>) -> bool {
        let first = request.method().as_str().len() + 1 + uri_bytes(request.uri()) + " HTTP/1.1".len();
        let headers = request.headers();
        let lines = headers.iter().map(|(name, value)| name.as_str().len() + 2 + value.len());
        let (longest, bytes) =
            lines.fold((first, first + 4), |(longest, bytes), line| (longest.max(line), bytes + line + 2));
        longest <= self.line && bytes <= self.bytes && headers.len() <= self.headers
    }
}

fn uri_bytes(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    scheme + authority + uri.path_and_query().map_or(0, |path| path.as_str().len())
}

/// Finds the end of a head. Refuses one over a bound, and what can be none, at the first byte that is.
#[derive(Clone, Debug)]
pub struct HeadScanner {
    pub(crate) limits: HeadLimits,
    at: At,
    bytes: usize,
    line: usize,
    headers: usize,
}

const VERSION: &[u8] = b"HTTP/1.";

/// Says what the last byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Stands in empty lines before the request (RFC 9112 §2.2).
    Before,
    BeforeCr,
    Method,
    TargetStart,
    Target,
    /// Has read so many bytes of the version.
    Version(usize),
    LineCr,
    LineStart,
    Name,
    Value,
    EndCr,
    End,
}

impl HeadScanner {
    /// Makes a scanner that waits for the first byte.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, at: At::Before, bytes: 0, line: 0, headers: 0 }
    }

    /// Follows `bytes`, and returns where among them the head ends, if it does.
    ///
    /// # Errors
    /// Returns [`Rejection::TooLarge`] at the first byte over a bound, and [`Rejection::Malformed`] at the
    /// first one with which this is no request of HTTP/1.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<Option<usize>, Rejection> {
        for (at, byte) in bytes.iter().enumerate() {
            self.at = self.at.after(*byte).ok_or(Rejection::Malformed)?;
            self.count(*byte);
            let limits = &self.limits;
            if self.bytes > limits.bytes || self.line > limits.line || self.headers > limits.headers {
                return Err(Rejection::TooLarge);
            }
            if self.at == At::End {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    fn count(&mut self, byte: u8) {
        self.bytes += 1;
        match byte {
            b'\n' => self.line = 0,
            b'\r' => {}
            _ => {
                self.headers += usize::from(self.line == 0 && self.at == At::Name);
                self.line += 1;
            }
        }
    }
}

impl At {
    /// Returns where the next byte stands, if it may stand there. Refuses nothing that the parser allows;
    /// what the parser refuses may pass here.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Before, b'\r') => Self::BeforeCr,
            (Self::Before | Self::BeforeCr, b'\n') => Self::Before,
            (Self::Before | Self::Method, byte) if is_token_byte(byte) => Self::Method,
            (Self::Method, b' ') => Self::TargetStart,
            (Self::TargetStart | Self::Target, 0x21..=0x7E | 0x80..) => Self::Target,
            (Self::Target, b' ') => Self::Version(0),
            (Self::Version(n), byte) if VERSION.get(n) == Some(&byte) => Self::Version(n + 1),
            (Self::Version(7), b'0' | b'1') => Self::Version(8),
            (Self::Version(8) | Self::Value, b'\r') => Self::LineCr,
            (Self::Version(8) | Self::Value | Self::LineCr, b'\n') => Self::LineStart,
            (Self::LineStart, b'\r') => Self::EndCr,
            (Self::LineStart | Self::EndCr, b'\n') => Self::End,
            (Self::LineStart | Self::Name, byte) if is_token_byte(byte) => Self::Name,
            (Self::Name, b':') => Self::Value,
            (Self::Value, b'\t' | 0x20..=0x7E | 0x80..) => Self::Value,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"GET /ws HTTP/1.1\r\n";

    fn follow(bytes: &[u8]) -> Result<Option<usize>, Rejection> {
        HeadScanner::new(HeadLimits::default()).follow(bytes)
    }

    #[test]
    fn what_is_no_http_is_refused_at_the_first_byte_that_shows_it() {
        for bad in [
            &b"\x16"[..],
            b"\0",
            b"\x80",
            b" ",
            b"\r\r",
            b"SSH-2.0-x\r",
            b"GET  ",
            b"GET /\r",
            b"GET /\x01",
            b"GET / X",
            b"GET / HTTP/2",
            b"PRI * HTTP/2",
            b"GET / HTTP/1.2",
            b"GET / HTTP/1.11",
            b"GET / HTTP/1.1\r\n ",
            b"GET / HTTP/1.1\r\n:",
            b"GET / HTTP/1.1\r\nA ",
            b"GET / HTTP/1.1\r\nA\r",
            b"GET / HTTP/1.1\r\nA: \0",
            b"GET / HTTP/1.1\r\nA: b\r\r",
            b"GET / HTTP/1.1\r\n\rx",
        ] {
            let shown = bad.escape_ascii();
            assert_eq!(follow(bad), Err(Rejection::Malformed), "{shown}");
            assert_eq!(follow(&bad[..bad.len() - 1]), Ok(None), "{shown}, without its last byte");
        }
    }

    #[test]
    fn a_head_ends_where_its_parser_ends_it_and_empty_lines_before_it_are_no_end() {
        for before in ["", "\r\n", "\n", "\r\n\r\n", "\n\n\n"] {
            for end in ["\r\n", "\n"] {
                let head = format!("{before}GET / HTTP/1.1{end}A: \u{fc} b\tc{end}Empty:{end}{end}");
                let mut headers = [httparse::EMPTY_HEADER; 9];
                let parsed = httparse::Request::new(&mut headers).parse(head.as_bytes());
                assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())));
                assert_eq!(follow(format!("{head}rest").as_bytes()), Ok(Some(head.len())), "{head:?}");
            }
        }
    }

    #[test]
    fn a_bound_holds_behind_empty_lines_too() {
        let line = |bytes: usize| [b"\r\n\r\n", LINE, b"a: ", &vec![b'x'; bytes - 3][..]].concat();
        assert_eq!(follow(&line(32 * 1024)), Ok(None));
        assert_eq!(follow(&line(32 * 1024 + 1)), Err(Rejection::TooLarge));
        let headers = |n| [b"\r\n\r\n", LINE, &b"a: b\r\n".repeat(n)[..]].concat();
        assert_eq!(follow(&headers(100)), Ok(None));
        assert_eq!(follow(&headers(101)), Err(Rejection::TooLarge));
        assert_eq!(follow(&b"\r\n".repeat(24 * 1024)), Ok(None));
        assert_eq!(follow(&b"\n".repeat(48 * 1024 + 1)), Err(Rejection::TooLarge), "empty lines without end");
    }

    #[test]
    fn a_head_is_measured_as_it_stood_on_the_wire() {
        let head = "GET /a?b HTTP/1.1\r\nhost: a.example\r\nx: y\r\n\r\n";
        let request =
            Request::get("/a?b").header("host", "a.example").header("x", "y").body(()).expect("one");
        let fits = |bytes, line, headers| HeadLimits { bytes, line, headers }.admits(&request);
        assert!(fits(head.len(), 17, 2));
        assert!(!fits(head.len() - 1, 17, 2) && !fits(head.len(), 16, 2) && !fits(head.len(), 17, 1));
        assert_eq!(uri_bytes(&Uri::from_static("http://a.example/b")), "http://a.example/b".len());
    }

    #[test]
    fn no_byte_is_refused_that_the_parser_would_take() {
        for byte in 0..=255_u8 {
            let places: [(&[u8], &[u8]); 4] = [
                (b"G", b"ET / HTTP/1.1\r\n\r\n"),
                (b"GET /", b" HTTP/1.1\r\n\r\n"),
                (b"GET / HTTP/1.1\r\nA", b": b\r\n\r\n"),
                (b"GET / HTTP/1.1\r\nA: b", b"c\r\n\r\n"),
            ];
            for (before, behind) in places {
                let head = [before, &[byte], behind].concat();
                let mut headers = [httparse::EMPTY_HEADER; 9];
                let parsed = httparse::Request::new(&mut headers).parse(&head);
                let taken = parsed.is_ok_and(|status| status.is_complete());
                assert!(!taken || follow(&head).is_ok_and(|end| end.is_some()), "{}", head.escape_ascii());
            }
        }
    }
}
