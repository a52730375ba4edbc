//! Sizes that client and server both hold to; each is checked before memory is taken.

/// Plain bytes of one item's content.
pub const ITEM_CONTENT: usize = 64 << 20;
/// Sealed bytes of one item's content: the plain ones and what sealing adds, generously.
pub const SEALED_CONTENT: usize = ITEM_CONTENT + (1 << 20);
/// Sealed bytes of an item's metadata.
pub const SEALED_META: usize = 64 << 10;
/// Sealed bytes of an item's embedding.
pub const SEALED_EMBEDDING: usize = 16 << 10;
/// Sealed bytes of a collection's header.
pub const SEALED_HEADER: usize = 8 << 10;
/// Models that a collection may be going away from at a time.
pub const EARLIER_MODELS: usize = 8;
/// Bytes of a grant.
pub const GRANT: usize = 8 << 10;
/// Coordinates of a veiled vector.
pub const VEILED_DIM: usize = 4096;
/// Items in one batch of additions, removals or changes.
pub const BATCH_ITEMS: usize = 512;
/// Bytes of an encoded entry of a log.
pub const LOG_ENTRY: usize = 256 << 10;
/// Bytes of entries after which a page of a log ends.
pub const LOG_PAGE: usize = 4 << 20;
/// Members of a collection, and epochs that are live at a time.
pub const MEMBERS: usize = 1024;
/// Devices of one account, revoked ones too.
pub const DEVICES: usize = 256;
/// Bytes of one message between devices that are being paired.
pub const PAIRING_MESSAGE: usize = 2 << 10;
/// Characters of a person's name.
pub const PERSON_NAME: usize = 64;
/// Filter tokens of one item, and of one search.
pub const TOKENS: usize = 64;
/// Accesses in one page of a collection's record of them.
pub const ACCESS_PAGE: usize = 1000;
/// Candidates in one answer to a search.
pub const CANDIDATES: usize = 4096;
/// How deep into its ranking a server looks, over all answers to a query.
pub const SEARCH_DEPTH: usize = 1 << 20;
/// Bytes of any request or answer inside its envelope.
pub const BODY: usize = 80 << 20;
/// Bytes of any request or answer as it travels, envelope included.
pub const TRANSPORT: usize = BODY + (1 << 20);
/// Bytes of a file name, a caption, a media type.
pub const NAME: usize = 4 << 10;
/// Coordinates of an embedding at the split level.
pub const SPLIT_DIM: usize = 4096;
/// Rows that one batch of the split level adds, and rows that it removes.
pub const SPLIT_ROWS: usize = 4096;
/// Words of one component of a dealt secret: rows, or queries, times coordinates.
pub const SPLIT_WORDS: usize = 4 << 20;
/// Rows of a collection at the split level.
pub const SPLIT_COLLECTION: usize = 16 << 20;
/// Rows in one page of a collection's list of them.
pub const SPLIT_ROW_PAGE: usize = 64 << 10;
/// Queries of one search of the split level.
pub const SPLIT_QUERIES: usize = 64;
/// Candidates that each of them gets.
pub const SPLIT_CANDIDATES: usize = 1024;
/// Places of a tree for each row that it holds, empty ones too.
pub const SPLIT_TREE_PLACES: usize = 16;
/// Bytes of one message between two servers around a session.
pub const SPLIT_PEER_MESSAGE: usize = 8 << 20;
/// Bytes of what is public of a model at the split level.
pub const SPLIT_MANIFEST: usize = 768 << 10;
/// Words of one row of a model's weights.
pub const SPLIT_MODEL_ROW: usize = 4096;
/// Weights of a model.
pub const SPLIT_MODEL_WEIGHTS: usize = 16 << 20;
/// Values that lie at once before one product of a model.
pub const SPLIT_MODEL_VALUES: usize = 8 << 20;
/// Multiplications, each with an addition, of one picture or sentence.
pub const SPLIT_MODEL_WORK: usize = 4 << 30;
/// Models in one answer.
pub const SPLIT_MODELS: usize = 256;
/// Bytes of a federation's encoded charter: 4096 members' identities and the names of the model's tensors.
pub const FEDERATION_CHARTER: usize = 6 << 20;
/// Bytes of one piece of a model or of a masked update.
pub const FEDERATION_PIECE: usize = 4 << 20;
/// Bytes of any message of a member but its masked update, and of the answer to it.
pub const FEDERATION_SPOKEN: usize = 1 << 20;
/// Bytes of the coordinator's message of one step for one member.
pub const FEDERATION_MESSAGE: usize = 48 << 20;
/// Records in one page of a federation's chain.
pub const FEDERATION_RECORDS: usize = 256;
