//! Reasons for a refusal: a stable code, what it means, and what to do, in Korean and English.

use crate::event::Text;

macro_rules! reasons {
    ($($name:ident $code:literal: $ko:literal, $en:literal; $do_ko:literal, $do_en:literal)*) => {
        /// Why a report was refused. Codes are stable: they stand in the log forever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $en] $name,)*
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> Text {
                match self { $(Reason::$name => Text { ko: $ko.to_owned(), en: $en.to_owned() },)* }
            }

            /// What to do.
            #[must_use]
            pub fn advice(self) -> Text {
                match self { $(Reason::$name => Text { ko: $do_ko.to_owned(), en: $do_en.to_owned() },)* }
            }
        }
    };
}

reasons! {
    SubjectMalformed "subject-malformed": "NATS 주제의 형식이 틀립니다.", "The NATS subject is malformed.";
        "ledger.report.<기관>.<사건 유형> 으로 발행하십시오.", "Publish to ledger.report.<agency>.<event type>."
    SubjectForeign "subject-foreign": "서명한 키가 주제의 기관 것이 아닙니다.", "The signing key does not belong to the agency in the subject.";
        "자기 기관의 주제로 발행하십시오.", "Publish under your own agency's subject."
    SignatureMissing "signature-missing": "서명이 없습니다.", "The report carries no signature.";
        "Ledger-Signature 헤더에 JWS를 넣으십시오.", "Put a compact JWS into the header Ledger-Signature."
    SignatureMalformed "signature-malformed": "서명의 형식이 틀립니다.", "The signature is malformed.";
        "EdDSA 컴팩트 JWS와 NKey kid를 쓰십시오.", "Use a compact JWS with EdDSA and an NKey as kid."
    SignatureWrong "signature-wrong": "서명이 맞지 않습니다.", "The signature does not verify.";
        "서명한 뒤 본문을 바꾸지 마시고 키를 확인하십시오.", "Do not change anything after signing, and check the key."
    KeyUnknown "key-unknown": "등록되지 않은 키입니다.", "The key is not registered at this index.";
        "주무 부처에 키 등록을 요청하십시오.", "Ask the authority to register the key, then report again."
    KeyRevoked "key-revoked": "폐기된 키입니다.", "The key is revoked at this index.";
        "유효한 키로 다시 서명하십시오.", "Sign again with a valid key."
    AgencyNotValid "agency-not-valid": "기관의 등록 유효 기간이 아닙니다.", "The agency's registration is not valid on that day.";
        "주무 부처에 유효 기간을 확인하십시오.", "Ask the authority about the registration's validity."
    ClaimsSubject "claims-subject": "서명된 주제가 발행 주제와 다릅니다.", "The signed subject differs from the subject published to.";
        "발행할 주제를 sub 에 서명하십시오.", "Sign the subject that is published to, in sub."
    ClaimsBody "claims-body": "서명된 해시나 형식이 본문과 다릅니다.", "The signed hash or content type differs from the body.";
        "보낼 바이트 그대로의 SHA-256과 cty 를 서명하십시오.", "Sign the SHA-256 of the exact bytes, and their content type."
    ClaimsOrigin "claims-origin": "다른 원장을 위해 서명된 보고입니다.", "The report is signed for another ledger.";
        "이 원장의 origin 을 aud 에 서명하십시오.", "Sign this ledger's origin, in aud."
    BodyTooLarge "body-too-large": "본문이 56 KiB 를 넘습니다.", "The body is larger than 56 KiB.";
        "여러 묶음으로 나누십시오.", "Split it into several batches."
    EnvelopeMalformed "envelope-malformed": "CloudEvents 봉투의 형식이 틀립니다.", "The CloudEvents envelope is malformed.";
        "CloudEvents 1.0 JSON 으로 고쳐 보내십시오.", "Send CloudEvents 1.0 JSON, without duplicate keys or trailing bytes."
    SourceForeign "source-foreign": "사건의 출처가 보고 기관이 아닙니다.", "The event's source is not the reporting agency.";
        "source 를 /agencies/<기관> 으로 하십시오.", "Set source to /agencies/<agency> of the subject."
    TypeMismatch "type-mismatch": "사건 유형이 주제와 다릅니다.", "The event type differs from the subject's.";
        "주제와 type 을 같게 하십시오.", "Make the type equal to the subject's."
    TypeUnknown "type-unknown": "등록되지 않은 사건 유형입니다.", "The event type has no registered schema.";
        "등록된 유형을 쓰거나 스키마 등록을 요청하십시오.", "Use a registered type, or ask for its schema to be registered."
    DataInvalid "data-invalid": "내용이 스키마에 맞지 않습니다.", "The data does not fit the type's schema or the indicator.";
        "표시된 항목을 고치십시오.", "Mend the field named."
    TimeOutOfRange "time-out-of-range": "발생 시각이 허용 범위 밖입니다.", "The event's time lies outside [2000-01-01, recorded + 1 day].";
        "실제 발생 시각을 적으십시오.", "State when it really happened."
    IndicatorUnknown "indicator-unknown": "등록되지 않은 지표입니다.", "The indicator is not registered.";
        "지표 이름을 확인하십시오.", "Check the indicator's id."
    RegionUnknown "region-unknown": "그 날짜에 유효한 지역 코드가 아닙니다.", "The region is unknown, or not valid on that day.";
        "ISO 3166-2:KR 코드를, 통합 뒤에는 새 코드를 쓰십시오.", "Use the ISO 3166-2:KR code; after a merger, the successor's."
    CurrencyUnknown "currency-unknown": "지표의 통화가 아닙니다.", "The currency is not the indicator's.";
        "지표의 통화로 보고하십시오.", "Report in the indicator's currency."
    AgencyUnknown "agency-unknown": "등록되지 않은 기관입니다.", "The agency named is not registered.";
        "기관 코드를 확인하십시오.", "Check the agency's code."
    NotAuthorised "not-authorised": "이 지표를 보고하거나 검증하거나 관리할 권한이 없습니다.", "The agency may not report, verify or govern this.";
        "권한 있는 기관이 보고하게 하십시오.", "Have a listed agency do it, or ask the authority to list yours."
    NoIndicator "no-indicator": "이 사건으로 움직이는 지표가 없습니다.", "No indicator matches the event.";
        "분류와 날짜를 확인하십시오.", "Check class and date against the catalogue."
    VersionUnknown "version-unknown": "가리킨 보고를 찾을 수 없습니다.", "The version named is unknown.";
        "사건 id 를 확인하십시오.", "Check the event id."
    VersionForeign "version-foreign": "다른 기관의 보고입니다.", "The version named belongs to another agency.";
        "자기 기관의 보고만 정정하거나 철회할 수 있습니다.", "Correct and retract your own reports; dispute others'."
    VersionSuperseded "version-superseded": "이미 정정되었거나 철회된 보고입니다.", "The version named is no longer the newest.";
        "가장 새로운 판의 id 를 쓰십시오.", "Name the newest version."
    VersionLimit "version-limit": "이 보고는 더 정정할 수 없을 만큼 여러 번 정정되었습니다.", "The report was corrected as often as one may be.";
        "철회한 뒤 새 id 로 다시 보고하십시오.", "Retract it, then report anew under a new id."
    VerificationOwn "verification-own": "자기 보고는 검증할 수 없습니다.", "An agency may not verify its own report.";
        "다른 검증 기관이 검증하게 하십시오.", "Have another listed verifier do it."
    AlreadyStated "already-stated": "이 기관의 같은 검증이나 이의가 이미 유효합니다.", "The agency's verification or dispute of that version stands already.";
        "바꾸시려면 앞의 것을 먼저 철회하십시오.", "To change it, retract the earlier one first."
    ClaimUnknown "claim-unknown": "그 보고는 그 대상을 주장하지 않습니다.", "That version claims no such thing.";
        "대상과 사건 id 를 확인하십시오.", "Check thing and event id."
    Overflow "overflow": "합계가 표현 범위를 넘습니다.", "The figure would leave its exact range.";
        "금액과 단위를 확인하십시오.", "Check amount and unit."
    SplitLimit "split-limit": "분류 값의 가짓수가 한도를 넘습니다.", "The indicator has too many different split values.";
        "등록된 분류 값을 쓰십시오.", "Use the values already in use."
    IdConflict "id-conflict": "같은 id 로 다른 내용이 이미 기록되었습니다.", "The id is claimed by an event with other content.";
        "새 id 로 보고하거나 정정 보고를 하십시오.", "Report under a new id, or correct the earlier report."
    GovernanceInvalid "governance-invalid": "등록된 내용과 모순됩니다.", "The governance event contradicts what stands.";
        "현재 등록 내용을 다시 읽으십시오.", "Read the registry again and state the change against it."
    LedgerNotCreated "ledger-not-created": "원장이 아직 만들어지지 않았습니다.", "The ledger is not created yet.";
        "첫 기록은 ledger.created.v1 이어야 합니다.", "The first entry must be ledger.created.v1."
}

impl Reason {
    /// The reason with that code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        for code in &codes {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert_eq!(Reason::of_code(code).map(Reason::code), Some(*code));
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
