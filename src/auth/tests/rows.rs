//! A definition of every kind of piece: what it signs verifies, and nothing that was changed does.

use super::battery::battery;
use super::*;

fn check(keys: &str) {
    battery(keys, &scheme(keys));
}

#[test]
fn hashes_and_what_is_hashed() {
    for algorithm in ["md5", "sha1", "sha256", "sha384", "sha512"] {
        check(&format!("scheme = \"hmac\"\nalgorithm = \"{algorithm}\"\nsignature = {{ header = \"X-Sig\" }}"));
    }
    for algorithm in ["md5", "sha1", "sha256", "sha512", "sha3_256", "keccak256"] {
        for signed in ["{secret}{body}", "{body}{secret}", "{header:X-Id}.{secret}.{body}"] {
            check(&format!(
                "scheme = \"digest\"\nalgorithm = \"{algorithm}\"\nsignature = {{ header = \"X-Sig\" }}\nsigned = \"{signed}\""
            ));
        }
    }
}

#[test]
fn sources_and_filters() {
    for signed in [
        "{method}{url}{body}",
        "{method}\\n{target}\\n{body}",
        "{url_base}{query}{path}{body}",
        "{body|sha256|hex}",
        "{body|sha256}",
        "{body|md5|base64}",
        "{body|unless_empty|md5|base64}{header:X-Id}",
        "{body|gunzip}",
        "{body|json_string}",
        "{header:X-Id}{body}{header:X-Other?}",
        "{query:id}.{json:/a/b}.{json:c?}",
        "{json:/a}{body}",
        "{raw:/payload|php_json}",
        "{body_kind}{body}",
        "{special:json_sorted}",
        "{special:trustpay}",
        "{special:messagebird_query}{body|sha256}",
        "{special:vonage}",
        "{special:tap}{json:/id}",
        "{url|hubspot_uri}{target|contentful_target}{body}",
        "{json:/a|lower}{json:/b|upper|trim|urlencode}{json:/amount|payu_decimal}",
    ] {
        check(&format!("scheme = \"hmac\"\nsignature = {{ header = \"X-Sig\" }}\nsigned = \"{signed}\""));
    }
    check("scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{url}{form_sorted}\"");
    check("scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\nsigned = \"{form:a}{form:b?}\"");
    check(
        "scheme = \"hmac\"\nsignature = { header = \"X-Sig\", many = true }\nsigned = \"{special:plivo_v3}.{header:X-Nonce}\"",
    );
    check(
        "scheme = \"digest\"\nsignature = { form = \"skey\" }\nalgorithm = \"md5\"\nsigned = \"{form:paydate}{let:inner|md5|hex}{secret|reverse}\"\nlet = { inner = \"{form:tran}{form:order}\" }",
    );
}

#[test]
fn places_and_grammars() {
    for signature in [
        "header = \"X-Sig\", encoding = \"base64\"",
        "header = \"X-Sig\", encoding = \"base64url\"",
        "header = \"X-Sig\", encoding = \"hex_upper\"",
        "header = \"X-Sig\", encoding = \"base64_hex\"",
        "header = \"X-Sig\", format = [\"sha256={signature}\", \"{signature}\"]",
        "header = \"X-Sig\", format = \"{algorithm}={signature}\"",
        "header = \"X-Sig\", format = \"{key_id}/SHA256/{signature}\", many = true, separator = \",\"",
        "header = \"X-Sig\", format = \"{signature}###{key_id}\"",
        "header = \"X-Sig\", format = \"0x{signature}\"",
        "header = \"X-Sig\", format = \"te={signature?},li={signature?}\"",
        "header = \"X-Sig\", format = 'keyId=\"{key_id}\",algorithm=\"hmac-sha256\",headers=\"date digest\",signature=\"{signature}\"', separator = \",\"",
        "headers = [\"X-Sig\", \"X-Sig-Old\"]",
        "headers = [\"X-Sig-1\", \"X-Sig-2\"], require = \"all\"",
        "header = \"X-Sig-*\"",
        "header = \"X-Sig\", repeated = true",
        "query = \"sig\"",
    ] {
        check(&format!("scheme = \"hmac\"\nsignature = {{ {signature} }}"));
    }
    check("scheme = \"hmac\"\nsignature = { json = \"/a/sig\" }\nsigned = \"{json:/a/token}{json:/a/time}\"");
    check("scheme = \"hmac\"\nsignature = { form = \"sig\" }\nsigned = \"{form:payload}\"");
    check(
        "scheme = \"hmac\"\nsignature = { json = \"/event/hash\" }\ndocument = \"form:json\"\nsigned = \"{json:/event/time}{json:/event/type}\"",
    );
    check(
        "scheme = \"hmac\"\nsignature = { json = \"/data/sig\", encoding = \"base64\" }\neach = \"/items\"\nsigned = \"{json:/a}:{json:/b?}\"",
    );
    check(
        "scheme = \"digest\"\nalgorithm = \"md5\"\nsignature = { json = \"auth\" }\nsigned = \"{special:unisender_go}\"",
    );
    check(
        "scheme = \"hmac\"\nsignature = { header = \"X-Sig\", format = \"sign={signature}, env={env}\" }\nsigned = \"{item:env}{body}\"",
    );
}

#[test]
fn times() {
    for (timestamp, signature, signed) in [
        ("from = \"header:X-Time\"", "header = \"X-Sig\"", "{timestamp}.{body}"),
        ("from = \"header:X-Time\", unit = \"us\"", "header = \"X-Sig\"", "{timestamp}.{body}"),
        ("from = \"header:X-Time\", unit = \"s_or_ms\"", "header = \"X-Sig\"", "{body}{timestamp}"),
        ("from = \"header:Date\", unit = \"http_date\"", "header = \"X-Sig\"", "{timestamp}.{body}"),
        ("from = \"header:X-Time\", unit = \"rfc3339\"", "header = \"X-Sig\"", "{timestamp}.{body}"),
        ("from = \"form:time\", unit = \"datetime\", offset = \"+07:00\"", "form = \"sig\"", "{form:time}{form:id}"),
        ("from = \"query:time\"", "query = \"sig\"", "{query:time}{body}"),
        ("from = \"json:/time\", unit = \"ms\"", "header = \"X-Sig\"", "{body}{timestamp}"),
        ("from = \"json:/sig/time\"", "json = \"/sig/signature\"", "{json:/sig/time}{json:/sig/token}"),
        (
            "from = \"signature\"",
            "header = \"X-Sig\", format = \"t={timestamp}&s={signature}\", separator = \"&\"",
            "{body}{timestamp}",
        ),
        (
            "from = \"signature\", unit = \"ms\"",
            "header = \"X-Sig\", format = \"{timestamp},{signature}\", many = true",
            "{timestamp}.{body}",
        ),
        (
            "from = \"signature\"",
            "header = \"X-Sig\", format = \"t={timestamp},v1={signature}\", groups = \" \"",
            "{timestamp}.{body}",
        ),
    ] {
        check(&format!(
            "scheme = \"hmac\"\nsignature = {{ {signature} }}\ntimestamp = {{ {timestamp} }}\nsigned = \"{signed}\""
        ));
    }
    check(
        "scheme = \"digest\"\nalgorithm = \"sha1\"\nsignature = { query = \"signature\" }\nsigned = \"{special:wechat}\"\ntimestamp = { from = \"query:timestamp\" }",
    );
    check(
        "scheme = \"hmac\"\nhttp_signature = { tag = \"test\", cover = [\"@request-target\", \"content-digest\", \"x-id\"] }\ntimestamp = { from = \"signature\" }",
    );
}

#[test]
fn secrets() {
    for secret in [
        "encoding = \"hex\"",
        "encoding = \"base64url\"",
        "encoding = \"base64_if_prefixed\", strip_prefix = \"whsec_\"",
        "strip_prefix = [\"signkey-*-\", \"old-\"]",
        "key = \"{secret}&\"",
        "key = \"{secret|sha1}\"",
        "key = \"{timestamp}{secret}\"",
        "parts = [\"public\", \"private\"], key = \"{secret:private|sha1}\"",
        "parts = [\"app\", \"secret\"], join = \"|\", key = \"{secret:secret|unbase64}\"",
    ] {
        check(&format!(
            "scheme = \"hmac\"\nsignature = {{ header = \"X-Sig\" }}\nsigned = \"{{timestamp}}{{body}}\"\nsecret = {{ {secret} }}\ntimestamp = {{ from = \"header:X-Time\" }}"
        ));
    }
}

#[test]
fn lists_and_checks() {
    let with = |keys: &str| check(&format!("scheme = \"hmac\"\n{keys}"));
    with(
        "signature = { header = \"X-Sig\" }\nsigned = \"{header_list}+{body}\"\nheader_list = { names = [\"X-A\", \"X-B?\"], line = \"{name}:{value}\", join = \",\" }",
    );
    with(
        "signature = { header = \"X-Sig\" }\nsigned = \"{method}\\n{header_list}\\n{body}\"\ntimestamp = { from = \"header:x-time\" }\nheader_list = { from = \"header:x-signed\", line = \"{name}:{value}\", join = \";\", case = \"lower\", require = [\"x-signed\", \"x-time\"] }",
    );
    with(
        "signature = { header = \"X-Sig\", format = \"t={timestamp},h={h},v1={signature}\" }\nsigned = \"{timestamp}.{item:h}.{header_list}.{body}\"\ntimestamp = { from = \"signature\" }\nheader_list = { from = \"item:h\", split = \" \", join = \".\" }",
    );
    with(
        "signature = { header = \"X-Sig\" }\nsigned = \"digest: {header:Digest}\"\ncheck = [{ value = \"{header:Digest}\", equals = \"SHA-256={body|sha256|base64}\" }]\nbinding = \"full\"",
    );
    with(
        "signature = { header = \"X-Sig\" }\nsecret = { parts = [\"merchant\", \"key\"], key = \"{secret:key}\" }\ncheck = [{ value = \"{header:merchant}\", equals = \"{secret:merchant}\" }, { value = \"{body_kind}\", equals = \"object\" }]",
    );
}

#[test]
fn tokens() {
    for keys in [
        "scheme = \"token\"\nsignature = { header = \"X-Token\" }",
        "scheme = \"token\"\nsignature = { header = \"Authorization\", format = [\"Bearer {token}\", \"{token}\"] }",
        "scheme = \"token\"\nsignature = { query = \"token\" }",
        "scheme = \"token\"\nsignature = { json = \"/passcode\" }",
        "scheme = \"token\"\nsignature = { json = \"/clientState\" }\neach = \"/value\"",
        "scheme = \"token\"\nsignature = { form = \"token\" }",
        "scheme = \"token\"\nsignature = { path = true }",
        "scheme = \"token\"\nsignature = { header = \"Authorization\" }\ntoken = \"{secret|sha256|hex}\"",
        "scheme = \"basic\"",
    ] {
        check(keys);
    }
}
