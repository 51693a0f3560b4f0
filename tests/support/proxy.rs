//! A network between two programs, with weather: on command it refuses, resets, falls silent, is slow, or loses the answer
//! to what did arrive. Must never change a byte.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What the network does to connections, those that are open included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Clear,
    /// Connections are reset, and new ones at once.
    Refuses,
    /// Nothing passes and nobody is told. What was held back passes when it clears up.
    Silent,
    /// So many bytes at once, with a pause in between.
    Slow(usize, Duration),
    /// What the client says arrives; at the first word of an answer the connection is reset.
    LosesAnswers,
}

/// A proxy for one server. Ends with all its connections when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    /// The weather, and how often all connections were cut.
    weather: watch::Sender<(Weather, usize)>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Leads to `target`, in clear weather.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel((Weather::Clear, 0));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                open.spawn(connect(client, target, seen.clone()));
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, weather, _task: AbortOnDropHandle::new(task) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        self.weather.send_modify(|now| now.0 = weather);
    }

    /// Resets every open connection; new ones are as the weather is.
    pub fn cut(&self) {
        self.weather.send_modify(|now| now.1 += 1);
    }
}

type Seen = watch::Receiver<(Weather, usize)>;

/// One connection, until either side closes it or it is reset.
async fn connect(client: TcpStream, target: SocketAddr, mut seen: Seen) {
    // Whatever ends it early ends it with a reset.
    client.set_zero_linger().unwrap();
    if seen.borrow_and_update().0 == Weather::Refuses {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pass(from_client, to_server, seen.clone(), false);
    let back = pass(from_server, to_client, seen.clone(), true);
    let cuts = seen.borrow().1;
    let over = seen.wait_for(|now| now.0 == Weather::Refuses || now.1 != cuts);
    tokio::select! {
        _ = over => {}
        // Either may end first in peace; a reset ends both.
        _ = async { tokio::try_join!(there, back) } => {}
    }
}

/// An error is a reset.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut seen: Seen, is_answer: bool) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let weather = match seen.wait_for(|now| now.0 != Weather::Silent).await {
            Ok(now) => now.0,
            Err(_) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        };
        match weather {
            Weather::LosesAnswers if is_answer => return Err(std::io::ErrorKind::ConnectionReset.into()),
            Weather::Slow(most, pause) => {
                for part in bytes[..count].chunks(most) {
                    to.write_all(part).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            _ => to.write_all(&bytes[..count]).await?,
        }
    }
}
