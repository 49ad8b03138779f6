//! Defines where a client comes from, as far as bounds depend on it.

use std::net::IpAddr;
use std::num::NonZeroU64;

/// Holds the address of a client before its user is known: of IPv4 the whole address, of IPv6 the first 64
/// bits, since one household has all addresses behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(NonZeroU64);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        let number = match address.to_canonical() {
            // The prefix 0:1::/32 is reserved, so no IPv6 address has it (RFC 4291, sections 2.4 and 4).
            IpAddr::V4(address) => 1 << 32 | u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ipv6_half_an_address_counts_and_of_ipv4_all() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(peer("2001:db8:0:1::7"), peer("2001:db8:0:1:ffff::9"));
        assert_ne!(peer("2001:db8:0:1::7"), peer("2001:db8:0:2::7"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
    }
}
