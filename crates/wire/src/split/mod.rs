//! The split level: what clients say to the three servers, what these say to each other, and what they store.
//!
//! An [`Order`] is what a member wants, signed once and sent to all three servers in the same bytes. Beside it travels
//! what only one server may see: its [`Parts`] of a dealt secret, which the order pins by digest. Order and parts lie in
//! an HPKE envelope to the server's own key, as every request to the cloud does.
//!
//! | to do | orders | answers |
//! |---|---|---|
//! | make a collection | [`Action::Govern`] to all three | [`State`] |
//! | share, revoke, leave | [`Action::Govern`] to P0, then to the others with its receipt | [`Receipt`], [`State`] |
//! | compare the members with the log | [`Action::Members`] to any one | [`Membership`] |
//! | add and remove | [`Action::Prepare`] to P0, then to the others with its receipt; then [`Action::Commit`] to P0, then to the others | [`Receipt`], [`State`] with P0's decision |
//! | search | [`Action::Search`] to all three at once | [`Found`] |
//! | tell rows from items | [`Action::Rows`] to any one | [`RowPage`] |
//! | change every share | [`Action::Refresh`] to all three at once | [`State`] |
//! | give a server its shares again | [`Action::Repair`] to all three at once | [`State`] |
//! | share a model's weights | [`Action::Govern`], then [`Action::Describe`] and batches as above | [`State`] |
//! | find models, and what is public of one | [`Action::Models`], [`Action::Manifest`] to any | [`ModelEntry`], [`ModelManifest`] |
//! | encode | [`Action::Encode`] to all three at once | [`Encoded`] |
//! | make an index | [`TreeAction::Piece`] to all three, then [`TreeAction::Plant`] as a batch | [`State`], [`Receipt`] |
//! | delete | [`Action::Delete`] to all three | [`Answer::Gone`] |
//!
//! P0, the first server of the list, decides whether a prepared batch is committed: that moment is the add. The two
//! others follow its signed word, which they get from the client or from P0 itself before the next session, so a client
//! that dies between leaves nothing half done.

mod answer;
mod batch;
mod model;
mod order;
mod peer;
mod statement;
mod stored;
mod tree;
mod trio;

pub use answer::{Answer, Found, List, Membership, PartyInfo, Receipt, Refused, RowPage, SharePair, State};
pub use batch::{Batch, Component, Entry, Parts, Version};
pub use model::{Encode, Encoded, ModelEntry, ModelFile, ModelManifest, ModelTower};
pub use order::{Action, Metric, Order, PartyRequest, Search, SignedOrder};
pub use peer::{Opening, PeerMessage};
pub use statement::{Member, SignedStatement, Statement};
pub use stored::{Pending, PendingKind, Record, StoreHeader};
pub use tree::{Planting, Probing, Touched, TreeAction, TreePlan, TreeState};
pub use trio::{PartyEntry, Trio};
