//! Who a client says it is, on the URL.

use chat_core::{Connect, Hello, Refusal};

/// Reads `name` and `token` of a URL's query; other parameters are left alone. Of one that stands twice the last counts.
///
/// # Errors
/// 107 if `name` is no [`SenderName`](chat_core::SenderName).
pub fn hello(query: Option<&str>) -> Hello {
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
        let connect = hello(Some("a=b&name=ann%20e&token=x%2By")).expect("fine").expect("someone");
        assert_eq!(connect.name.expect("a name").as_str(), "ann e");
        assert_eq!(connect.token, Some("x+y".into()));
        assert_eq!(hello(None), Ok(None));
        assert_eq!(hello(Some("room=1")), Ok(None));
        assert_eq!(hello(Some("name=")).expect_err("empty").code, 107);
    }
}
