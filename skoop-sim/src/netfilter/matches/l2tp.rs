//! `l2tp` (`net/netfilter/xt_l2tp.c`): tunnel and session of L2TP.

use skoop_model::Transport;

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::image::{Base, Image};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct L2tp {
    tunnel: Option<u32>,
    session: Option<u32>,
    version: Option<u32>,
    control: Option<bool>,
}

impl Matcher for L2tp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--tid" => parsed.tunnel = Some(number(arg.value()?)?),
                "--sid" => parsed.session = Some(number(arg.value()?)?),
                "--pversion" => parsed.version = Some(number(arg.value()?)?),
                "--type" => {
                    parsed.control = Some(match arg.value()? {
                        "control" => true,
                        "data" => false,
                        _ => return None,
                    });
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.packet.is_later_fragment() {
            return Tri::No;
        }
        let image = Image::of(run.packet);
        match run.packet.transport {
            Transport::Udp { .. } => self.over_udp(&image),
            _ if run.packet.protocol.0 == 115 => self.over_ip(&image),
            _ => Tri::No,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `l2tp`: the header of L2TP is not known".to_owned())
    }
}

impl L2tp {
    /// `l2tp_match`: every option that is given has to hold.
    fn fits(&self, control: bool, version: u32, tunnel: u32, session: u32) -> Tri {
        let is = |wanted: Option<u32>, number| wanted.is_none_or(|wanted| wanted == number);
        let kind = self.control.is_none_or(|wanted| wanted == control);
        (kind && is(self.version, version) && is(self.tunnel, tunnel) && is(self.session, session)).into()
    }

    /// `l2tp_udp_mt`.
    fn over_udp(&self, image: &Image) -> Tri {
        let read = |offset, length| image.read(Base::Inner, offset, length);
        let number = |offset, length| image.bits(Base::Inner, offset, length).and_then(|bits| u32::try_from(bits).ok());
        if read(0, 16).is_none() {
            return Tri::No;
        }
        let Some(flags) = number(0, 16) else { return Tri::Maybe };
        let (control, version) = (flags & 0x8000 != 0, flags & 0x000f);
        let ids = match (version, control) {
            (3, true) => number(32, 32).map(|tunnel| (tunnel, 0)),
            (3, false) => number(32, 32).map(|session| (0, session)),
            // Version 2: a length field may stand before the identifiers.
            (2, _) => {
                let start = if flags & 0x4000 == 0 { 16 } else { 32 };
                number(start, 16).zip(number(start + 16, 16))
            }
            _ => return Tri::No,
        };
        ids.map_or(Tri::Maybe, |(tunnel, session)| self.fits(control, version, tunnel, session))
    }

    /// `l2tp_ip_mt`: version 3, the session first; session 0 is control, whose tunnel comes behind flags.
    fn over_ip(&self, image: &Image) -> Tri {
        let number = |offset, length| image.bits(Base::Inner, offset, length).and_then(|bits| u32::try_from(bits).ok());
        match number(0, 32) {
            None => Tri::Maybe,
            Some(0) => number(64, 32).map_or(Tri::Maybe, |tunnel| self.fits(true, 3, tunnel, 0)),
            Some(session) => self.fits(false, 3, 0, session),
        }
    }
}
