//! `bpf` (`net/netfilter/xt_bpf.c`): a classic BPF program over the bytes of the packet.

use skoop_model::Family;

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::image::{Base, Image, Seen};
use crate::netfilter::run::Run;

/// A program without loops runs each instruction once at most (`bpf_check_classic`: jumps lead forward).
#[derive(Debug)]
pub(crate) struct Bpf(Vec<Instruction>);

/// `struct sock_filter` (`include/uapi/linux/filter.h`).
#[derive(Debug, Clone, Copy)]
struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    k: u32,
}

impl Matcher for Bpf {
    /// `--object-pinned` names an eBPF program, which no dump holds.
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--bytecode" {
                return None;
            }
            arg.plain()?;
            let mut parts = arg.value()?.split(',');
            let count: usize = parts.next()?.trim_ascii().parse().ok()?;
            let program: Vec<_> =
                parts.map(str::trim_ascii).filter(|part| !part.is_empty()).map(instruction).collect::<Option<_>>()?;
            parsed = Some(Self(program)).filter(|program| program.0.len() == count);
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let mut machine = Machine {
            image: Image::of(run.packet),
            mark: run.packet.mark.0,
            protocol: if run.packet.family() == Family::V4 { 0x0800 } else { 0x86dd },
            a: Seen::whole(0, 32),
            x: Seen::whole(0, 32),
            memory: [Seen::whole(0, 32); 16],
        };
        machine.run(&self.0)
    }

    fn doubt(&self) -> Option<String> {
        Some("match `bpf`: a part of the packet that the program reads is not known".to_owned())
    }
}

/// `CODE JT JF K`.
fn instruction(text: &str) -> Option<Instruction> {
    let mut words = text.split_ascii_whitespace();
    let mut next = || number(words.next()?);
    let (code, yes, no, k) = (next()?, next()?, next()?, next()?);
    Some(Instruction { code: code.try_into().ok()?, yes: yes.try_into().ok()?, no: no.try_into().ok()?, k })
}

struct Machine {
    image: Image,
    mark: u32,
    protocol: u32,
    a: Seen,
    x: Seen,
    memory: [Seen; 16],
}

/// What an instruction does to the course of the program.
enum Next {
    /// Go on, passing over so many.
    Skip(usize),
    /// The answer.
    End(Tri),
}

impl Machine {
    fn run(&mut self, program: &[Instruction]) -> Tri {
        let mut place = 0;
        while let Some(instruction) = program.get(place) {
            match self.step(*instruction) {
                Some(Next::Skip(count)) => place += 1 + count,
                Some(Next::End(answer)) => return answer,
                // A read behind the end of the packet ends the program with 0.
                None => return Tri::No,
            }
        }
        // Every program ends with a return; this one was not accepted.
        Tri::Maybe
    }

    /// One instruction by its class (`BPF_CLASS`). None: the program ends with 0.
    fn step(&mut self, instruction: Instruction) -> Option<Next> {
        let Instruction { code, k, .. } = instruction;
        match code & 7 {
            0 => self.a = self.load(code, k)?,
            1 => self.x = self.load_index(code, k)?,
            2 => *self.memory.get_mut(usize::try_from(k).ok()?)? = self.a,
            3 => *self.memory.get_mut(usize::try_from(k).ok()?)? = self.x,
            4 => self.a = self.calculate(code, k)?,
            5 => return Some(self.jump(instruction)),
            6 => {
                let value = if code & 0x18 == 0x10 { self.a } else { Seen::whole(k.into(), 32) };
                return Some(Next::End(!value.is(0)));
            }
            _ if code & 0xf8 == 0 => self.x = self.a,
            _ => self.a = self.x,
        }
        Some(Next::Skip(0))
    }

    /// `BPF_LD` by its mode.
    fn load(&self, code: u16, k: u32) -> Option<Seen> {
        let size = match code & 0x18 {
            0 => 32,
            0x08 => 16,
            _ => 8,
        };
        match code & 0xe0 {
            0x00 => Some(Seen::whole(k.into(), 32)),
            0x20 => self.absolute(k, size),
            0x40 => match self.x.exact().and_then(|x| u32::try_from(x).ok()) {
                Some(x) => self.absolute(x.wrapping_add(k), size),
                None => Some(Seen::unknown(32)),
            },
            0x60 => self.memory.get(usize::try_from(k).ok()?).copied(),
            0x80 => Some(Seen::whole(self.image.total() as u128, 32)),
            _ => None,
        }
    }

    /// `BPF_LDX`.
    fn load_index(&self, code: u16, k: u32) -> Option<Seen> {
        match code & 0xe0 {
            // `BPF_MSH`: length of an IPv4 header.
            0xa0 => Some(self.absolute(k, 8)?.masked(0x0f).left(2)),
            _ => self.load(code, k),
        }
    }

    /// An offset from the data of the packet, or one of the special areas (`SKF_*_OFF`).
    fn absolute(&self, offset: u32, size: u32) -> Option<Seen> {
        const ANCILLARY: u32 = 0xffff_f000;
        const NETWORK: u32 = 0xfff0_0000;
        const LINK: u32 = 0xffe0_0000;
        let read = |base, offset: u32| {
            let seen = self.image.read(base, offset.checked_mul(8)?, size)?;
            Some(Seen { width: 32, known: seen.known | !(u128::MAX >> (128 - size)) & 0xffff_ffff, ..seen })
        };
        // `SKF_AD_PROTOCOL`, `SKF_AD_MARK`; the others tell of devices, queues, hashes.
        if let Some(which) = offset.checked_sub(ANCILLARY) {
            return Some(match which {
                0 => Seen::whole(self.protocol.into(), 32),
                20 => Seen::whole(self.mark.into(), 32),
                _ => Seen::unknown(32),
            });
        }
        match (offset.checked_sub(NETWORK), offset.checked_sub(LINK)) {
            (Some(offset), _) => read(Base::Network, offset),
            (None, Some(offset)) => read(Base::Link, offset),
            (None, None) => read(Base::Network, offset),
        }
    }

    /// `BPF_ALU`. None: division by zero.
    fn calculate(&self, code: u16, k: u32) -> Option<Seen> {
        let operand = if code & 0x08 == 0 { Seen::whole(k.into(), 32) } else { self.x };
        let shift = || operand.exact().and_then(|count| u32::try_from(count).ok());
        match code & 0xf0 {
            0x50 if operand.exact().is_some() => return Some(self.a.masked(operand.value)),
            0x60 => {
                return Some(match shift() {
                    Some(count) => self.a.left(count),
                    None => Seen::unknown(32),
                });
            }
            0x70 => {
                return Some(match shift() {
                    Some(count) => self.a.right(count),
                    None => Seen::unknown(32),
                });
            }
            _ => {}
        }
        let (Some(a), Some(b)) = (self.a.exact(), operand.exact()) else { return Some(Seen::unknown(32)) };
        let result = match code & 0xf0 {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x30 => a.checked_div(b)?,
            0x40 => a | b,
            0x50 => a & b,
            0x80 => a.wrapping_neg(),
            0x90 => a.checked_rem(b)?,
            _ => a ^ b,
        };
        Some(Seen::whole(result, 32))
    }

    /// `BPF_JMP`.
    fn jump(&self, instruction: Instruction) -> Next {
        let Instruction { code, yes, no, k } = instruction;
        let operand = if code & 0x08 == 0 { Seen::whole(k.into(), 32) } else { self.x };
        let Some(number) = operand.exact() else { return Next::End(Tri::Maybe) };
        let all = u128::from(u32::MAX);
        let holds = match code & 0xf0 {
            0x00 => return usize::try_from(k).map_or(Next::End(Tri::No), Next::Skip),
            0x10 => self.a.is(number),
            0x20 if number == all => Tri::No,
            0x20 => self.a.within(number + 1, all),
            0x30 => self.a.within(number, all),
            _ => !self.a.masked(number).is(0),
        };
        match holds {
            Tri::Yes => Next::Skip(yes.into()),
            Tri::No => Next::Skip(no.into()),
            Tri::Maybe if yes == no => Next::Skip(yes.into()),
            Tri::Maybe => Next::End(Tri::Maybe),
        }
    }
}
