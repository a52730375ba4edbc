//! Two people, a collection and a server, the same in every run.

use pmirs_crypto::{
    Argon2Params, CollectionKey, EpochKeys, GrantContext, Identity, IdentitySeed, Kind, Place, ServerKey,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// A generator that is fixed by one byte.
pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub const COLLECTION: [u8; 16] = *b"collection-00001";
pub const PLACE: Place =
    Place { collection: COLLECTION, item: *b"item-00000000001", epoch: 7, kind: Kind::ItemMeta };
pub const GRANT: GrantContext = GrantContext { collection: COLLECTION, epoch: 7, role: 2 };
pub const CHEAP: Argon2Params = Argon2Params { memory_kib: 64, passes: 2, lanes: 2 };

pub struct World {
    pub seed: IdentitySeed,
    pub anna: Identity,
    pub ben: Identity,
    pub key: CollectionKey,
    pub keys: EpochKeys,
    pub server: ServerKey,
}

pub fn world() -> World {
    let mut rng = rng(1);
    let seed = IdentitySeed::generate(&mut rng);
    let key = CollectionKey::generate(&mut rng);
    World {
        anna: Identity::from_seed(&seed),
        ben: Identity::from_seed(&IdentitySeed::generate(&mut rng)),
        keys: key.epoch_keys(&COLLECTION, 7),
        server: ServerKey::generate(&mut rng),
        seed,
        key,
    }
}
