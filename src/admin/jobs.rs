//! A scheduled `audit`, `assess` or `review` says how it ended: `POST /jobs`, for two gauges.
//!
//! It changes what alerts go by, so it wants the admin token wherever the caller is. What it can say is a closed list of
//! counts ([`Ended`]): no label and no time come from a request. Nothing of it outlives the process.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::clock::Now;
use crate::govern::job::{Ended, LONGEST};

use super::{Admin, token_required};

/// How long the text may take to come: it fits into one packet.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn ended(State(admin): State<Admin>, request: Request) -> Response {
    if !admin.shows_token(request.headers()) {
        return token_required();
    }
    let Ok(text) = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), LONGEST)).await else {
        return (StatusCode::REQUEST_TIMEOUT, "the report did not come in time\n").into_response();
    };
    let Ok(text) = text else {
        let told = format!("the report is longer than {LONGEST} bytes, or broken off\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, told).into_response();
    };
    let ended = match Ended::read(&text) {
        Ok(ended) => ended,
        Err(problem) => {
            return (StatusCode::BAD_REQUEST, format!("this is no job's report: {problem}\n")).into_response();
        }
    };
    admin.shared.metrics.job_ended(ended.job.name(), &ended.findings(), Now::read());
    tracing::info!(job = ended.job.name(), "a scheduled job has told its findings");
    StatusCode::NO_CONTENT.into_response()
}
