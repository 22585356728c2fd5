//! Held against `verify_strict` on keys and signatures of every kind that implementations differ on.

use curve25519_dalek::{constants::EIGHT_TORSION, edwards::EdwardsPoint, scalar::Scalar};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use super::*;

/// Adding the order of the curve's prime group to s gives the same equation: malleable.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn small(at: usize) -> [u8; 32] {
    EIGHT_TORSION[at % 8].compress().to_bytes()
}

/// Encodings that decoding takes though they are not the ones of their points: y + p, and the sign of an x that is 0.
fn noncanonical() -> Vec<[u8; 32]> {
    let mut found = Vec::new();
    for low in 0..19 {
        for high in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + low, high);
            found.push(bytes);
        }
    }
    for mut bytes in [small(0), small(4)] {
        bytes[31] |= 0x80;
        found.push(bytes);
    }
    found
}

fn added(number: [u8; 32], more: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|at| {
        carry += u16::from(number[at]) + u16::from(more[at]);
        let byte = carry as u8;
        carry >>= 8;
        byte
    })
}

fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature::from_components(r, s)
}

/// A key of mixed order, and a signature over `message` whose R is of small order, that the equation alone takes.
fn mixed(secret: &SigningKey, torsion: usize, message: &[u8]) -> Option<(VerifyingKey, Signature)> {
    let key = EdwardsPoint::mul_base(&secret.to_scalar()) + EIGHT_TORSION[torsion % 8];
    let key = VerifyingKey::from_bytes(&key.compress().to_bytes()).unwrap();
    (0..8).find_map(|at| {
        let hash = Sha512::new().chain_update(small(at)).chain_update(key.as_bytes()).chain_update(message).finalize();
        let s = Scalar::from_bytes_mod_order_wide(&hash.into()) * secret.to_scalar();
        let signature = signature(small(at), s.to_bytes());
        key.verify(message, &signature).is_ok().then_some((key, signature))
    })
}

#[test]
fn the_points_of_small_order_are_known() {
    let mut known: Vec<_> = EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect();
    known.iter_mut().for_each(|bytes| bytes[31] &= 0x7f);
    known.sort_unstable();
    known.dedup();
    assert_eq!(known, SMALL_ORDER_Y);
}

#[test]
fn what_only_the_equation_takes_is_refused() {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let mut found = 0;
    for (torsion, text) in (0..8).flat_map(|torsion| (0..8_u8).map(move |text| (torsion, [text]))) {
        let Some((key, signature)) = mixed(&secret, torsion, &text) else { continue };
        found += 1;
        assert!(!key.is_weak() && key.verify_strict(&text, &signature).is_err());
        assert!(!verify(&key, &text, &signature), "torsion {torsion} of the key");
    }
    assert!(found > 8, "{found}");
}

fn pieces() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        (0..8_usize).prop_map(small),
        prop::sample::select(noncanonical()),
        Just([0; 32]),
        Just(ORDER),
        any::<[u8; 32]>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn takes_what_verify_strict_takes(
        seed in any::<[u8; 32]>(), text in "[a-z]{0,8}", torsion in 0..8_usize, kind in 0..6, piece in pieces(), other in pieces(),
    ) {
        let (secret, text) = (SigningKey::from_bytes(&seed), text.as_bytes());
        let (own, right) = (secret.verifying_key(), secret.sign(text));
        let (r, s) = (*right.r_bytes(), *right.s_bytes());
        let weak = VerifyingKey::from_bytes(&piece).ok();
        let (key, signature) = match kind {
            0 => (own, right),
            1 => (own, signature(piece, s)),
            2 => (own, signature(r, added(s, ORDER))),
            3 => (weak.unwrap_or(own), signature(other, [0; 32])),
            4 => (weak.unwrap_or(own), signature(other, s)),
            _ => mixed(&secret, torsion, text).unwrap_or((own, signature(piece, other))),
        };
        let strict = key.verify_strict(text, &signature).is_ok();
        prop_assert_eq!(verify(&key, text, &signature), strict);
        prop_assert_eq!(strict, kind == 0);
    }
}
