//! Headers that are lists (RFC 9110 §5.6.1).

use http::HeaderMap;
use http::header::AsHeaderName;

/// Returns the elements of a header that is a list, in their order, over all of its lines: without the blanks and tabs around them, and without the empty
/// ones, which count for nothing (RFC 9110 §5.6.1.2). They need not be text.
pub fn list(headers: &HeaderMap, name: impl AsHeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter().map(|line| line.as_bytes());
    let elements = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

/// Whether a list names a token, in letters of whatever case.
pub(crate) fn names(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    list(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
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
