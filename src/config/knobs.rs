//! The settings, a row each. The rows feed the loader (names, defaults, what is accepted), the command line's flags, the
//! documentation's tables and the tests, so that none of them can know a setting that the others do not.
//!
//! Deliberately absent: parsers and types. What a row's text means is said where it is loaded.

mod global;
mod route;

pub use global::GLOBAL;
pub use route::ROUTE;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// Its name without the prefix.
    pub name: &'static str,
    /// What holds where it is not set; empty for nothing.
    pub default: &'static str,
    /// What is accepted, in words.
    pub accepts: &'static str,
    /// What it does, and why the default is what it is.
    pub help: &'static str,
    /// Whether its value is a secret or the path of one (and so might be the secret itself by mistake): never shown.
    pub secret: bool,
}

impl Knob {
    const fn new(name: &'static str, default: &'static str, accepts: &'static str, help: &'static str) -> Self {
        Self { name, default, accepts, help, secret: false }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Whether `<name>_FILE`, the path of a file that holds the value, may stand for it. Not where the value is such a
    /// path already, nor for `SECRET`, whose `SECRET_FILE` is a setting of its own that knows directories too.
    #[must_use]
    pub fn has_file_form(&self) -> bool {
        !self.name.ends_with("_FILE") && self.name != "SECRET"
    }
}
