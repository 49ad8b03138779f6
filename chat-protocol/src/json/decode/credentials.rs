//! Reads the credentials that a client gives on the URL.

use chat_core::protocol::Credentials;
use chat_core::{Connect, Refusal};

/// Reads `name` and `token` of a URL's query; the last counts of one that stands there twice.
///
/// Leaves other parameters alone. A name that is none makes the credentials wrong.
pub(in crate::json) fn read(query: Option<&str>) -> Credentials {
    match connect(query) {
        Ok(None) => Credentials::Later,
        Ok(Some(connect)) => Credentials::Now(connect),
        Err(refusal) => Credentials::Wrong(refusal),
    }
}

fn connect(query: Option<&str>) -> Result<Option<Connect>, Refusal> {
    let mut connect = None::<Connect>;
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*key {
            "name" => {
                let name =
                    (*value).try_into().map_err(|error| Refusal::bad_request(format!("name: {error}")))?;
                connect.get_or_insert_default().name = Some(name);
            }
            "token" => connect.get_or_insert_default().token = Some(value.as_ref().into()),
            _ => {}
        }
    }
    Ok(connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_token_stand_on_the_url() {
        let connect = connect(Some("a=b&name=ann%20e&token=x%2By")).expect("fine").expect("someone");
        assert_eq!(connect.name.expect("a name").as_str(), "ann e");
        assert_eq!(connect.token, Some("x+y".into()));
        assert_eq!(read(None), Credentials::Later);
        assert_eq!(read(Some("room=1")), Credentials::Later);
        assert!(matches!(read(Some("name=")), Credentials::Wrong(refusal) if refusal.code() == 107));
    }
}
