//! How the shared store is reached: one server, one that Sentinel names, or a Cluster; in plaintext or TLS.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    ScriptInvocation, TlsCertificates, TlsMode,
};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long to wait for a connection with its handshakes.
const CONNECT: Duration = Duration::from_secs(1);

/// How long to wait for an answer. Inside a cluster it comes within a millisecond; a sender waits a quarter of a second
/// without harm, and a longer pause of the server's is an outage.
pub(super) const ANSWER: Duration = Duration::from_millis(250);

/// Commands that wait to be written, at most. More than there are requests in flight, so that none waits for room.
const PIPELINE: usize = 4096;

/// Where the shared store is, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// What listens there.
    pub topology: Topology,
    /// Hosts and ports: the server; else Sentinels, or some of a Cluster's nodes.
    pub nodes: Vec<(String, u16)>,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The authorities that certificates must come from, in PEM; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// The ACL user; `None` for the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Zeroizing<String>>,
    /// The number of the database.
    pub database: i64,
}

/// What listens at the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// The server itself.
    Single,
    /// Sentinels that know the server by this name.
    Sentinel(String),
    /// Nodes of a Cluster.
    Cluster,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topology, nodes, tls, .. } = self;
        f.debug_struct("Place")
            .field("topology", topology)
            .field("nodes", nodes)
            .field("tls", tls)
            .finish_non_exhaustive()
    }
}

/// A connection that all workers share: what they send goes over it as it comes, without waiting for answers.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
        })
    }
}

/// What Sentinels say of the server that is connected to.
pub(super) struct Referral {
    sentinels: SentinelClient,
    master: String,
}

impl Referral {
    /// Whether the Sentinels still name that server. While a failover is on, the old one goes on taking commands, which
    /// nobody will know of. Sentinels that say nothing change nothing.
    pub(super) async fn stands(&mut self) -> bool {
        match timeout(ANSWER, self.sentinels.async_get_client()).await {
            Ok(Ok(client)) => client.get_connection_info().addr().to_string() == self.master,
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

impl Connection {
    /// Connects. The task that drives the connection belongs to the runtime that this is called on.
    pub(super) async fn open(place: &Place) -> RedisResult<(Self, Option<Referral>)> {
        match &place.topology {
            Topology::Single => Ok((Self::Server(place.server().await?), None)),
            Topology::Sentinel(service) => {
                let (connection, referral) = place.by_sentinel(service).await?;
                Ok((Self::Server(connection), Some(referral)))
            }
            Topology::Cluster => Ok((Self::Cluster(place.cluster().await?), None)),
        }
    }

    /// Runs a script there.
    pub(super) async fn invoke<T: redis::FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> RedisResult<T> {
        match self {
            Self::Server(connection) => invocation.invoke_async(&mut connection.clone()).await,
            Self::Cluster(connection) => invocation.invoke_async(&mut connection.clone()).await,
        }
    }

    /// Runs a command there.
    pub(super) async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        match self {
            Self::Server(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    /// The identity of the server's process; empty where it is not told, or there are several.
    pub(super) async fn identity(&self) -> RedisResult<String> {
        let Self::Server(connection) = self else { return Ok(String::new()) };
        let mut connection = connection.clone();
        match connection.req_packed_command(redis::cmd("INFO").arg("server")).await {
            Ok(answer) => Ok(run_id(&redis::from_redis_value::<String>(answer)?)),
            // An ACL that does not permit INFO: a restart is then noticed by its lost memory alone.
            Err(error) if error.code() == Some("NOPERM") => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

fn run_id(info: &str) -> String {
    info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().to_owned()
}

impl Place {
    async fn server(&self) -> RedisResult<MultiplexedConnection> {
        let mut last = None;
        for node in self.addresses() {
            let info = node.into_connection_info()?.set_redis_settings(self.login()).set_tcp_settings(tcp());
            let client = if self.tls { Client::build_with_tls(info, self.certificates()) } else { Client::open(info) }?;
            match client.get_multiplexed_async_connection_with_config(&config()).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no address").into()))
    }

    /// The credentials are the server's; Sentinels are asked without.
    async fn by_sentinel(&self, service: &str) -> RedisResult<(MultiplexedConnection, Referral)> {
        let mut builder = SentinelClientBuilder::new(self.addresses(), service, SentinelServerType::Master)?
            .set_client_to_redis_db(self.database)
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(user) = &self.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password.as_str());
        }
        if self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates())
                .set_client_to_sentinel_certificates(self.certificates());
        }
        let mut sentinels = builder.build()?;
        let client = sentinels.async_get_client().await?;
        let master = client.get_connection_info().addr().to_string();
        let connection = client.get_multiplexed_async_connection_with_config(&config()).await?;
        Ok((connection, Referral { sentinels, master }))
    }

    async fn cluster(&self) -> RedisResult<ClusterConnection> {
        let mut builder = ClusterClientBuilder::new(self.addresses())
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .overall_response_timeout(Some(CONNECT))
            .retries(2)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .tcp_settings(tcp());
        if let Some(user) = &self.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.password(password.as_str());
        }
        if self.tls {
            builder = builder.tls(TlsMode::Secure).certs(self.certificates());
        }
        builder.build()?.get_async_connection().await
    }

    fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| {
            let (host, port) = (host.clone(), *port);
            if self.tls {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            } else {
                ConnectionAddr::Tcp(host, port)
            }
        };
        self.nodes.iter().map(address).collect()
    }

    fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.as_str());
        }
        login
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
        .set_pipeline_buffer_size(PIPELINE)
}

/// Commands are small and wait for nothing.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
