//! Any other exchange: of any method, and with an answer of any status. For the API server of the cluster that this runs
//! in, which is told by more than GET.

use tokio::time::timeout;

use crate::clock::Now;
use crate::http1::buffer::Buffer;

use super::{Ask, Client, Fault, Url, body_of, send};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Client {
    /// Asks over a connection of its own, and waits for the whole answer.
    ///
    /// # Errors
    /// Any [`Fault`] but [`Fault::Status`] and [`Fault::Redirect`]: the status is the caller's to judge.
    pub async fn call(&self, url: &Url, ask: Ask<'_>) -> Result<Reply, Fault> {
        let deadline = Now::read().plus(ask.patience).instant;
        let calling = async {
            let (mut stream, mut buffer) = (self.connect(url).await?, Buffer::new());
            let head = send(&mut stream, &mut buffer, url, ask).await?;
            let (body, _) = body_of(&mut stream, &mut buffer, &head, ask, deadline).await?;
            Ok(Reply { status: head.status, body })
        };
        timeout(ask.patience, calling).await.unwrap_or(Err(Fault::Slow(ask.patience)))
    }
}
