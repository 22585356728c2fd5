//! Key pairs: NKeys of type user. A seed lives in a file that only its owner can read, and nowhere else: never in an
//! argument, a log line, a `Debug` text or an error.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ed25519_dalek::{SigningKey, VerifyingKey};
use rustix::fs::OFlags;
use zeroize::{Zeroize, Zeroizing};

use crate::limits::KEY_FILE_BYTES_MAX;

/// NKey type of users, as in the first byte of a decoded key: `U`.
const PREFIX_USER: u8 = 20 << 3;
const MODE: u32 = 0o600;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The operating system says no.
    #[error("cannot {action} the key file {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A symbolic link, folder, pipe or device.
    #[error("the key file {} is no regular file: give the file itself, not a link to it", .0.display())]
    NotAFile(PathBuf),
    /// Others may read or write it.
    #[error("the key file {} has mode {mode:04o}: others must not reach it, run `chmod 600` on it", path.display())]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("the key file {} belongs to user {owner}, not to the one running this: change its owner", path.display())]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// There is a file already.
    #[error("{} exists: a key file is never overwritten, choose another name or move it aside", .0.display())]
    Exists(PathBuf),
    /// Not one line with a user seed.
    #[error("{} holds no NKey user seed: it must be one line beginning with SU", .0.display())]
    NotASeed(PathBuf),
    /// A text given as a seed is none.
    #[error("this is no NKey user seed: it must be 58 characters beginning with SU")]
    Seed,
}

/// A key pair that signs.
pub struct KeyPair {
    /// Wiped when dropped.
    signing: SigningKey,
    seed: Zeroizing<String>,
    public: String,
}

/// Never the seed.
impl fmt::Debug for KeyPair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

impl KeyPair {
    /// A new random key pair.
    ///
    /// # Errors
    /// [`KeyFault::Seed`], which cannot happen: the seed was just made.
    pub fn generate() -> Result<Self, KeyFault> {
        let seed = Zeroizing::new(nkeys::KeyPair::new_user().seed().map_err(|_| KeyFault::Seed)?);
        Self::from_seed(&seed)
    }

    /// From a seed `SU…`, in its one spelling.
    ///
    /// # Errors
    /// [`KeyFault::Seed`].
    pub fn from_seed(seed: &str) -> Result<Self, KeyFault> {
        let (prefix, mut bytes) = nkeys::decode_seed(seed).map_err(|_| KeyFault::Seed)?;
        let signing = SigningKey::from_bytes(&bytes);
        let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, bytes);
        bytes.zeroize();
        let pair = pair.map_err(|_| KeyFault::Seed)?;
        let spelled = Zeroizing::new(pair.seed().map_err(|_| KeyFault::Seed)?);
        if prefix != PREFIX_USER || *spelled != seed {
            return Err(KeyFault::Seed);
        }
        Ok(KeyPair { signing, seed: spelled, public: pair.public_key() })
    }

    /// Reads a seed from a file.
    ///
    /// # Errors
    /// [`KeyFault`] unless it is a regular file with mode 0600, owned by the user who runs this, and holds one seed.
    pub fn load(path: &Path) -> Result<Self, KeyFault> {
        let fault = |action| move |error| KeyFault::Io { action, path: path.to_owned(), error };
        let named = fs::symlink_metadata(path).map_err(fault("read"))?;
        if !named.is_file() {
            return Err(KeyFault::NotAFile(path.to_owned()));
        }
        // The file may be exchanged between the check above and here: no link is followed, and what was opened is checked.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let mut file =
            fs::File::options().read(true).custom_flags(flags.cast_signed()).open(path).map_err(fault("open"))?;
        let own = file.metadata().map_err(fault("read"))?;
        if !own.is_file() {
            return Err(KeyFault::NotAFile(path.to_owned()));
        }
        if own.uid() != rustix::process::geteuid().as_raw() {
            return Err(KeyFault::Owner { path: path.to_owned(), owner: own.uid() });
        }
        if own.mode() & 0o7777 != MODE {
            return Err(KeyFault::Mode { path: path.to_owned(), mode: own.mode() & 0o7777 });
        }
        // Of full size from the start: a buffer that grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX as usize));
        (&mut file).take(KEY_FILE_BYTES_MAX).read_to_end(&mut line).map_err(fault("read"))?;
        let seed = std::str::from_utf8(&line).map_err(|_| KeyFault::NotASeed(path.to_owned()))?;
        let seed = seed.strip_suffix('\n').unwrap_or(seed);
        Self::from_seed(seed).map_err(|_| KeyFault::NotASeed(path.to_owned()))
    }

    /// Writes the seed to a new file with mode 0600, on disk when it returns.
    ///
    /// # Errors
    /// [`KeyFault::Exists`] and what the operating system says.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyFault> {
        let fault = |action| move |error| KeyFault::Io { action, path: path.to_owned(), error };
        let mut options = fs::File::options();
        let mut file = match options.write(true).create_new(true).mode(MODE).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyFault::Exists(path.to_owned()));
            }
            Err(error) => return Err(fault("make")(error)),
        };
        let line = Zeroizing::new(format!("{}\n", self.seed.as_str()));
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(fault("write"))?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(fault("sync the folder of"))
    }

    /// The NKey public key `U…`: `kid` of every signature, user name at the NATS server.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The seed, for the NATS client alone. Wiped when dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<String> {
        self.seed.clone()
    }

    /// Ed25519 over these bytes: for texts that name what they are, such as checkpoints. Reports are signed by
    /// [`super::sign`].
    #[must_use]
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.signing.sign(bytes).to_bytes()
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }
}

/// The 32 bytes of an NKey public key of type user (`U…`, checksum right, one spelling); `None` for any other text.
#[must_use]
pub fn public_key_bytes(text: &str) -> Option<[u8; 32]> {
    match nkeys::from_public_key(text) {
        Ok((PREFIX_USER, bytes)) => Some(bytes),
        _ => None,
    }
}

/// The key that verifies for an NKey public key. Costs microseconds: keep it per key.
#[must_use]
pub fn verifying_key(text: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&public_key_bytes(text)?).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_saved_key_loads_again_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keco.nk");
        let pair = KeyPair::generate().unwrap();
        pair.save_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let loaded = KeyPair::load(&path).unwrap();
        assert_eq!((loaded.public(), loaded.seed()), (pair.public(), pair.seed()));
        assert!(matches!(KeyPair::generate().unwrap().save_new(&path), Err(KeyFault::Exists(_))));
        assert_eq!(KeyPair::load(&path).unwrap().public(), pair.public());
        assert!(pair.public().starts_with('U') && pair.seed().starts_with("SU"));
        assert_eq!(verifying_key(pair.public()).unwrap(), pair.signing().verifying_key());
    }

    #[test]
    fn refuses_files_that_others_reach() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keco.nk");
        KeyPair::generate().unwrap().save_new(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660, 0o700, 0o400, 0o4600, 0o000] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            // Mode 0000 already fails to open, unless root runs this.
            assert!(matches!(KeyPair::load(&path), Err(KeyFault::Mode { .. } | KeyFault::Io { .. })), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let link = dir.path().join("link.nk");
        symlink(&path, &link).unwrap();
        assert!(matches!(KeyPair::load(&link), Err(KeyFault::NotAFile(_))));
        assert!(matches!(KeyPair::load(dir.path()), Err(KeyFault::NotAFile(_))));
        assert!(matches!(KeyPair::load(Path::new("/dev/null")), Err(KeyFault::NotAFile(_))));
        assert!(matches!(KeyPair::load(&dir.path().join("none")), Err(KeyFault::Io { .. })));
    }

    #[test]
    fn refuses_what_is_no_user_seed() {
        let dir = tempfile::tempdir().unwrap();
        let seed = KeyPair::generate().unwrap().seed().to_string();
        let account = nkeys::KeyPair::new_account().seed().unwrap();
        let (head, last) = seed.split_at(57);
        let other = if last == "A" { "B" } else { "A" };
        for (number, text) in [
            String::new(),
            account,
            seed.to_lowercase(),
            format!(" {seed}"),
            format!("{seed}\n\n"),
            format!("{seed}\n{seed}\n"),
            format!("{head}{other}"),
            head.to_owned(),
            "S".repeat(200),
        ]
        .into_iter()
        .enumerate()
        {
            let path = dir.path().join(format!("{number}.nk"));
            fs::write(&path, &text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let fault = KeyPair::load(&path).unwrap_err();
            assert!(matches!(fault, KeyFault::NotASeed(_)), "{text:?}: {fault}");
            assert!(text.is_empty() || !fault.to_string().contains(text.trim()), "{fault}");
        }
    }

    #[test]
    fn no_text_shows_the_seed() {
        let pair = KeyPair::generate().unwrap();
        let shown = format!("{pair:?} {pair:#?}");
        assert!(shown.contains(pair.public()) && !shown.contains(&pair.seed()[4..20]), "{shown}");
    }

    #[test]
    fn public_keys_have_one_spelling() {
        let public = KeyPair::generate().unwrap().public().to_owned();
        assert!(public_key_bytes(&public).is_some());
        let flipped = format!("{}{}", &public[..55], if public.ends_with('A') { "B" } else { "A" });
        let account = nkeys::KeyPair::new_account().public_key();
        for bad in ["", "U", &flipped, &public.to_lowercase(), &format!("{public}="), &account, &"é".repeat(28)] {
            assert!(public_key_bytes(bad).is_none(), "{bad}");
        }
    }
}
