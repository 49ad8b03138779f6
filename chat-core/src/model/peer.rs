//! Where a client comes from, as far as bounds go by it.

use std::net::IpAddr;
use std::num::NonZeroU64;

/// The address of a client, before it is anybody: of IPv4 the whole, of IPv6 the first 64 bits, since a household has all behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(NonZeroU64);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        let number = match address.to_canonical() {
            // Beside all of IPv6: 0:1::/32 is reserved (RFC 4291, section 2.4 and 4).
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
