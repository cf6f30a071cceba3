//! The way to the publisher: bounded, so that nobody fills the memory while it is busy.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use super::Order;

/// Orders that wait for the publisher. One order can hold as many events as a connection reads at once, some hundred.
const ORDERS_WAITING_MAX: usize = 256;

/// How soon to try again to hand over what must not be lost.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// A sender of orders.
#[derive(Clone)]
pub struct Orders(SyncSender<Order>);

/// The publisher took an order not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too many wait already.
    #[error("too many orders wait for the publisher")]
    Full,
    /// It does not run any more.
    #[error("the publisher is gone")]
    Gone,
}

impl Orders {
    /// The way, and its end for the publisher.
    pub fn channel() -> (Self, Receiver<Order>) {
        let (sender, receiver) = sync_channel(ORDERS_WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Hands an order over at once or not at all.
    pub fn try_send(&self, order: Order) -> Result<(), NotTaken> {
        self.0.try_send(order).map_err(|refused| match refused {
            TrySendError::Full(_) => NotTaken::Full,
            TrySendError::Disconnected(_) => NotTaken::Gone,
        })
    }

    /// Hands an order over, waiting while others wait.
    pub async fn send(&self, order: Order) -> Result<(), NotTaken> {
        let mut order = order;
        loop {
            match self.0.try_send(order) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(NotTaken::Gone),
                Err(TrySendError::Full(refused)) => order = refused,
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// Hands an order over, holding the thread up while others wait.
    pub fn send_blocking(&self, order: Order) -> Result<(), NotTaken> {
        self.0.send(order).map_err(|_| NotTaken::Gone)
    }
}
