//! Defines where a client comes from, as far as bounds depend on it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

use serde::{Serialize, Serializer};

/// Holds the address of a client before its user is known: of IPv4 the whole address, of IPv6 the first 64
/// bits, since one household has all addresses behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(NonZeroU64);

/// Displays the address: of IPv4 as it is, of IPv6 as the network of its first 64 bits.
///
/// ```
/// use std::net::IpAddr;
/// use chat_core::transport::Peer;
/// assert_eq!(Peer::from("10.0.0.1".parse::<IpAddr>()?).to_string(), "10.0.0.1");
/// assert_eq!(Peer::from("2001:db8::7".parse::<IpAddr>()?).to_string(), "2001:db8::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            number if number >> 32 == 1 => Ipv4Addr::from(number as u32).fmt(f),
            number => {
                // The number 1 stands for the prefix 0, since no address has the prefix 0:0:0:1::/64.
                let prefix = if number == 1 { 0 } else { u128::from(number) << 64 };
                write!(f, "{}/64", Ipv6Addr::from(prefix))
            }
        }
    }
}

/// Serializes the address as it is displayed.
impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

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
        let shown = ["::1", "::ffff:10.0.0.1", "2001:db8:0:1::7"].map(|text| peer(text).to_string());
        assert_eq!(shown, ["::/64", "10.0.0.1", "2001:db8:0:1::/64"]);
    }
}
