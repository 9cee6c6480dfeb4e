//! A review of permissions: what the audit records show to be unused, wider than needed, failing, ending or new, and the
//! narrower settings. Pure: lines and the policy come in, findings come out.
//!
//! What the records cannot show, and so no finding speaks of: uses that were before or after the records, and content
//! types where records of an older version are among them, which do not hold them. A setting is proposed only where the
//! list of what was used is complete; else the finding is told without one.

mod findings;
mod permissions;
mod record;
mod sign_off;
mod tally;

pub use findings::{Change, Finding, Report, RouteUse, Terms, report};
pub use permissions::Permissions;
pub use record::{Broken, LONGEST_LINE, Line, Text};
pub use sign_off::{Choice, Decision, LastReview, SignOff};
pub use tally::{DISTINCT, Dimension, Permits, ROUTES, RouteTally, Tally, Use, Uses, What};
