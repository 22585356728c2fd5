//! The socket of a client who may do anything: one that does not read is cut off, and nothing is read from it meanwhile.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::seats::Pace;

/// A client's socket.
pub struct Client {
    stream: TcpStream,
    pace: Arc<Pace>,
    /// When a write without progress becomes an error.
    cut_off: Pin<Box<Sleep>>,
    patience: Duration,
    stalled: bool,
    /// Who asked to read while a write stood still.
    reader: Option<Waker>,
}

impl Client {
    /// Over a socket; a write may stand still for so long.
    pub fn new(stream: TcpStream, pace: Arc<Pace>, patience: Duration) -> Self {
        Client { stream, pace, cut_off: Box::pin(tokio::time::sleep(patience)), patience, stalled: false, reader: None }
    }

    fn wrote(&mut self, context: &mut Context<'_>, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if write.is_ready() {
            self.stalled = false;
            self.pace.moves();
            self.pace.stall(false);
            // Nobody else would: the socket was not asked to tell when there is something to read.
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            return write;
        }
        if !self.stalled {
            self.stalled = true;
            self.pace.stall(true);
            self.cut_off.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.cut_off.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let client = self.get_mut();
        if client.stalled {
            client.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        // Bytes that come in are no sign of life: whoever drips them would hold a seat for as long as it likes.
        Pin::new(&mut client.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let client = self.get_mut();
        let write = Pin::new(&mut client.stream).poll_write(context, bytes);
        client.wrote(context, write)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let client = self.get_mut();
        let write = Pin::new(&mut client.stream).poll_write_vectored(context, parts);
        client.wrote(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
