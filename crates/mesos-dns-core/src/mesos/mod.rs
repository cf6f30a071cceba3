//! What the master and ZooKeeper say, from bytes to values.
//!
//! Every reader in here treats its input as hostile: nothing is trusted to be complete, well-formed or small, and
//! one bad task, agent or node costs only itself.
//!
//! - [`zk_url`]: the configuration's `zk`; [`members`]: which nodes are masters, and which one leads;
//!   [`master_info`]: what such a node says.
//! - [`state`]: the state document, and the snapshot with which a stream begins.
//! - [`operator`]: the stream of events, cut into records by [`recordio`], and who a master is.
//! - [`pid`]: the addresses that libprocess writes everywhere.

mod json;
pub mod master_info;
pub mod members;
pub mod operator;
pub mod pid;
mod protobuf;
pub mod recordio;
mod scan;
pub mod state;
pub mod zk_url;

pub use json::JsonError;
pub use protobuf::ProtobufError;
