//! What leads from one JSON document to another, as a JSON Patch (RFC 6902): what an admission webhook answers with.
//!
//! The patch is not the shortest that there is, but a short one for what happens to pods: fields that are added, changed
//! or taken away, and items of lists that are added or taken away. Deliberately absent: `move`, `copy` and `test`.

use serde_json::{Map, Value, json};

/// The operations, in the order in which they are applied.
#[must_use]
pub fn diff(from: &Value, to: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    compare(&mut String::new(), from, to, &mut operations);
    operations
}

fn compare(path: &mut String, from: &Value, to: &Value, operations: &mut Vec<Value>) {
    match (from, to) {
        _ if from == to => {}
        (Value::Object(from), Value::Object(to)) => objects(path, from, to, operations),
        (Value::Array(from), Value::Array(to)) => arrays(path, from, to, operations),
        _ => operations.push(json!({ "op": "replace", "path": path, "value": to })),
    }
}

fn objects(path: &mut String, from: &Map<String, Value>, to: &Map<String, Value>, operations: &mut Vec<Value>) {
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        below(path, &escaped(key), |path| operations.push(json!({ "op": "remove", "path": path })));
    }
    for (key, to) in to {
        below(path, &escaped(key), |path| match from.get(key) {
            Some(from) => compare(path, from, to, operations),
            None => operations.push(json!({ "op": "add", "path": path, "value": to })),
        });
    }
}

/// What is the same at both ends stays; of the rest, items at the same place are compared, and what is left over is added
/// or removed.
fn arrays(path: &mut String, from: &[Value], to: &[Value], operations: &mut Vec<Value>) {
    let start = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let shorter = from.len().min(to.len()) - start;
    let end = from.iter().rev().zip(to.iter().rev()).take(shorter).take_while(|(from, to)| from == to).count();
    let middle = |all: usize| start..all - end;
    let (old, new) = (middle(from.len()), middle(to.len()));
    let common = old.len().min(new.len());
    for at in start..start + common {
        below(path, &at.to_string(), |path| compare(path, &from[at], &to[at], operations));
    }
    // From behind, so that the indices of the others hold.
    for at in (start + common..old.end).rev() {
        below(path, &at.to_string(), |path| operations.push(json!({ "op": "remove", "path": path })));
    }
    for (at, item) in to.iter().enumerate().take(new.end).skip(start + common) {
        below(path, &at.to_string(), |path| operations.push(json!({ "op": "add", "path": path, "value": item })));
    }
}

fn below(path: &mut String, token: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(token);
    then(path);
    path.truncate(length);
}

/// A reference token (RFC 6901 section 3).
#[must_use]
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches() {
        let check = |from: Value, to: Value, expected: Value| assert_eq!(Value::Array(diff(&from, &to)), expected);
        check(json!({}), json!({}), json!([]));
        check(json!({"a": 1}), json!({"a": 2}), json!([{"op": "replace", "path": "/a", "value": 2}]));
        check(json!({"a": 1}), json!({}), json!([{"op": "remove", "path": "/a"}]));
        check(json!({}), json!({"a/b~c": 1}), json!([{"op": "add", "path": "/a~1b~0c", "value": 1}]));
        check(json!([1]), json!([1, 2]), json!([{"op": "add", "path": "/1", "value": 2}]));
        check(json!([1, 2]), json!([2]), json!([{"op": "remove", "path": "/0"}]));
        check(json!([1, 2, 3]), json!([1]), json!([{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]));
        check(
            json!([1, 4]),
            json!([1, 2, 3, 4]),
            json!([
                {"op": "add", "path": "/1", "value": 2}, {"op": "add", "path": "/2", "value": 3}
            ]),
        );
        check(json!([{"a": 1}, 2]), json!([{"a": 3}, 2]), json!([{"op": "replace", "path": "/0/a", "value": 3}]));
        check(json!({"a": [1]}), json!({"a": {"b": 1}}), json!([{"op": "replace", "path": "/a", "value": {"b": 1}}]));
        check(json!([1, 1]), json!([1]), json!([{"op": "remove", "path": "/1"}]));
        check(json!(1), json!(2), json!([{"op": "replace", "path": "", "value": 2}]));
    }
}
