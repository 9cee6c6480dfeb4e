//! A request as a `curl` command that a POSIX shell reads back byte by byte.

use std::fmt::Write;

use crate::auth::sign::Draft;

/// The command, in lines.
pub(super) fn command(draft: &Draft) -> String {
    let plain = is_plain(&draft.body);
    let mut text = String::new();
    if !plain {
        // What a terminal would garble or an argument cannot hold goes through a pipe.
        let _ = write!(text, "printf '{}' | ", printf(&draft.body));
    }
    let _ = write!(text, "curl -i -X {} {}", quote(&draft.method), quote(&draft.url));
    if draft.url.contains(['[', ']', '{', '}']) {
        text.push_str(" --globoff");
    }
    for (name, value) in &draft.headers {
        // With a colon and no value, curl would leave the field out.
        let field = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        let _ = write!(text, " \\\n  -H {}", quote(&field));
    }
    text.push_str(&body_argument(&draft.body, plain));
    text.push('\n');
    text
}

/// A word for a POSIX shell: inside single quotes nothing has a meaning but the quote itself.
pub(super) fn quote(word: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn body_argument(body: &[u8], plain: bool) -> String {
    match std::str::from_utf8(body) {
        // To curl, data that begins with @ names a file; `--data-raw` has no such meaning.
        Ok(text) if plain && text.starts_with('@') => format!(" \\\n  --data-raw {}", quote(text)),
        Ok(text) if plain => format!(" \\\n  --data-binary {}", quote(text)),
        _ => " \\\n  --data-binary @-".into(),
    }
}

/// Whether the bytes can stand in a command line that is copied from a terminal.
fn is_plain(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| text.chars().all(|c| !c.is_control() || c == '\n'))
}

/// The bytes as a format for `printf` (XCU `printf`: `\ddd` is an octal byte, `%%` a percent sign).
fn printf(body: &[u8]) -> String {
    body.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b'%' => text.push_str("%%"),
            b' '..=b'~' if byte != b'\\' && byte != b'\'' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a shell hands on, argument by argument, and on standard input.
    fn shell(text: &str) -> (Vec<String>, Vec<u8>) {
        let show = r#"curl() { for word; do printf 'w%s\0' "$word"; done; printf .; case "$word" in @-) cat;; esac; }"#;
        let output = Command::new("sh").arg("-c").arg(format!("{show}; {text}")).output().expect("a shell");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let (mut words, mut rest) = (Vec::new(), output.stdout.as_slice());
        while let Some(word) = rest.strip_prefix(b"w") {
            let end = word.iter().position(|byte| *byte == 0).expect("the word's end");
            words.push(String::from_utf8(word[..end].to_vec()).expect("text"));
            rest = &word[end + 1..];
        }
        (words, rest.strip_prefix(b".").expect("the end of the words").to_vec())
    }

    fn check(body: &[u8], flag: &str) {
        let draft = Draft {
            method: "POST".into(),
            url: "http://127.0.0.1/a?b=c&d=$HOME".into(),
            headers: vec![("A".into(), "it's \"$x\" `y` \\z".into()), ("Empty".into(), String::new())],
            body: body.to_vec(),
        };
        let (words, piped) = shell(&command(&draft));
        let data = words.last().expect("words").clone();
        let sent = if data == "@-" { piped } else { data.clone().into_bytes() };
        assert_eq!(sent, body, "{words:?}");
        let head = ["-i", "-X", "POST", &draft.url, "-H", "A: it's \"$x\" `y` \\z", "-H", "Empty;", flag];
        assert_eq!(words[..words.len() - 1], head);
    }

    #[test]
    fn a_shell_reads_back_every_byte() {
        check(br#"{"a":"it's 100% $HOME `x` \n"}"#, "--data-binary");
        check("ä\nend\n".as_bytes(), "--data-binary");
        check(b"", "--data-binary");
        check(b"@file", "--data-raw");
        check(b"tab\there", "--data-binary");
        check(&(0..=255).collect::<Vec<u8>>(), "--data-binary");
    }
}
