//! Reads the values of header fields (RFC 9110 §5).

use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

/// Returns the elements of a header that is a list, in their order, over all of its lines, without the blanks
/// and tabs around them. Skips empty elements (RFC 9110 §5.6.1.2). Elements need not be text.
///
/// ```
/// use chat_websocket::fields::list;
/// use http::{HeaderMap, HeaderValue, header::CONNECTION};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, ,Upgrade"));
/// assert!(list(&headers, CONNECTION).eq([&b"keep-alive"[..], b"Upgrade"]));
/// ```
pub fn list(headers: &HeaderMap, name: impl AsHeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter().map(|line| line.as_bytes());
    let elements = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

/// Returns whether a list names a token, without regard to case.
pub fn names(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    list(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Returns the value of a header that may stand only once; none if it is missing or stands twice.
pub fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Returns whether a text is a token (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns whether a text is credentials in one word: base64 of either alphabet, with its padding (RFC 9110
/// §11.2, `token68`).
pub fn is_token68(text: &str) -> bool {
    let word = text.trim_end_matches('=');
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Returns whether a byte may stand in a token.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONNECTION;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| {
            headers.append(CONNECTION, HeaderValue::from_bytes(line).expect("a value"));
        });
        headers
    }

    #[test]
    fn empty_elements_of_a_list_count_for_nothing_on_one_line_or_several() {
        for lines in [
            &[&b"a,b"[..]][..],
            &[b"a, b"],
            &[b",a,,b,"],
            &[b" , \ta\t ,\t, b ,"],
            &[b"a", b"b"],
            &[b"", b"a,", b" ", b",b"],
        ] {
            let headers = headers(lines);
            assert!(list(&headers, CONNECTION).eq([b"a", b"b"]), "{headers:?}");
            assert!(list(&headers, CONNECTION).rev().eq([b"b", b"a"]), "{headers:?}");
        }
        for none in [&[][..], &[&b""[..]], &[b" "], &[b","], &[b", ,\t", b""]] {
            assert_eq!(list(&headers(none), CONNECTION).count(), 0);
        }
    }

    #[test]
    fn an_element_that_is_no_text_hides_no_other() {
        let headers = headers(&[b"\xff, keep-alive", b"UPGRADE,\x80"]);
        assert!(names(&headers, CONNECTION, "upgrade") && names(&headers, CONNECTION, "keep-alive"));
        assert!(!names(&headers, CONNECTION, "up") && !names(&headers, CONNECTION, ""));
    }
}
