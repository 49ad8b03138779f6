//! Tells browsers which pages may read an answer (Fetch §3.2).

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue, ORIGIN,
    VARY,
};

use super::origin::Origins;
use chat_websocket::fields::{is_token, list};

/// Lets browsers ask again after ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

impl Origins {
    /// Adds to an answer the headers that let the page that asked read it. Its origin must be
    /// [admitted](Self::admit) already. For transports other than the WebSocket.
    ///
    /// A page of an origin that is allowed by name may send credentials, such as cookies; one that is let in
    /// as any other may not.
    pub fn permit(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = asked.get(ORIGIN) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if matches!(self, Self::Only(_)) {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// Does what [`permit`](Self::permit) does where a browser asks beforehand: permits these methods, the
    /// `usual` headers, and whatever headers the browser asks for.
    pub fn permit_request(
        &self,
        asked: &HeaderMap,
        methods: &'static str,
        usual: &[&'static str],
        answer: &mut HeaderMap,
    ) {
        self.permit(asked, answer);
        let more = list(asked, ACCESS_CONTROL_REQUEST_HEADERS).filter_map(|name| str::from_utf8(name).ok());
        let more =
            more.filter(|name| is_token(name) && !usual.iter().any(|known| known.eq_ignore_ascii_case(name)));
        let names: Vec<_> = usual.iter().copied().chain(more).collect();
        let names = HeaderValue::try_from(names.join(", ")).expect("tokens are a header's value");
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        headers.iter().for_each(|(name, value)| {
            all.append(*name, HeaderValue::from_static(value));
        });
        all
    }

    fn told(origins: &Origins, headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut answer = HeaderMap::new();
        origins.permit(&asked(headers), &mut answer);
        answer
    }

    #[test]
    fn credentials_are_for_an_origin_that_is_allowed_by_name_and_for_no_other() {
        let app = "capacitor://localhost";
        let named = told(&Origins::Only(vec![app.parse().expect("an origin")]), &[("origin", app)]);
        assert_eq!(named[ACCESS_CONTROL_ALLOW_ORIGIN], app);
        assert_eq!(named[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        for origins in [Origins::Any, Origins::SameHost] {
            let other = told(&origins, &[("origin", "https://page.example")]);
            assert_eq!(other[ACCESS_CONTROL_ALLOW_ORIGIN], "https://page.example");
            assert!(!other.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), "{origins:?}");
        }
        let nobody = told(&Origins::Only(Vec::new()), &[]);
        assert!(nobody[VARY] == "origin" && nobody.len() == 1, "a cache keeps them apart: {nobody:?}");
    }

    #[test]
    fn a_browser_may_send_whatever_headers_it_asks_for_and_none_that_are_no_names() {
        let lines = [
            ("origin", "https://a.example"),
            ("access-control-request-headers", ", Content-Type,,x-a\t,"),
            ("access-control-request-headers", "a b, \"c\", x-d"),
        ];
        let mut answer = HeaderMap::new();
        Origins::Any.permit_request(&asked(&lines), "POST", &["content-type"], &mut answer);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "content-type, x-a, x-d");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "POST");
    }
}
