//! What the automated reasoning policies of a guardrail found: whether claims follow from premises and from the
//! rules of a domain.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{enumeration, structure, union};

structure! {
    /// What automated reasoning found; see the
    /// [User Guide](https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-automated-reasoning-checks.html).
    pub struct GuardrailAutomatedReasoningPolicyAssessment {
        optional {
            /// The findings.
            findings: Vec<GuardrailAutomatedReasoningFinding> = "findings",
        }
    }
}

union! {
    /// A finding of automated reasoning.
    pub enum GuardrailAutomatedReasoningFinding {
        /// The claims follow from the premises and the rules.
        Valid(GuardrailAutomatedReasoningValidFinding) = "valid" from,
        /// The claims contradict the premises or the rules.
        Invalid(GuardrailAutomatedReasoningInvalidFinding) = "invalid" from,
        /// The claims can be true or false, depending on other assumptions.
        Satisfiable(GuardrailAutomatedReasoningSatisfiableFinding) = "satisfiable" from,
        /// Nothing follows, because the premises or the rules contradict themselves.
        Impossible(GuardrailAutomatedReasoningImpossibleFinding) = "impossible" from,
        /// The text can be read in several ways.
        TranslationAmbiguous(GuardrailAutomatedReasoningTranslationAmbiguousFinding) =
            "translationAmbiguous" from,
        /// The text is too long or too complex to be judged.
        TooComplex(GuardrailAutomatedReasoningTooComplexFinding) = "tooComplex" from,
        /// There is nothing in the text that could be judged.
        NoTranslations(GuardrailAutomatedReasoningNoTranslationsFinding) = "noTranslations" from,
    }
}

structure! {
    /// The claims follow from the premises and the rules.
    pub struct GuardrailAutomatedReasoningValidFinding {
        optional {
            /// The text in logic.
            translation: GuardrailAutomatedReasoningTranslation = "translation",
            /// An example in which the claims are true.
            claims_true_scenario: GuardrailAutomatedReasoningScenario = "claimsTrueScenario",
            /// The rules that they follow from.
            supporting_rules: Vec<GuardrailAutomatedReasoningRule> = "supportingRules",
            /// A fault of the logic that needs no rules to be seen.
            logic_warning: GuardrailAutomatedReasoningLogicWarning = "logicWarning",
        }
    }
}

structure! {
    /// The claims contradict the premises or the rules.
    pub struct GuardrailAutomatedReasoningInvalidFinding {
        optional {
            /// The text in logic.
            translation: GuardrailAutomatedReasoningTranslation = "translation",
            /// The rules that the claims contradict.
            contradicting_rules: Vec<GuardrailAutomatedReasoningRule> = "contradictingRules",
            /// A fault of the logic that needs no rules to be seen.
            logic_warning: GuardrailAutomatedReasoningLogicWarning = "logicWarning",
        }
    }
}

structure! {
    /// The claims can be true or false, depending on other assumptions.
    pub struct GuardrailAutomatedReasoningSatisfiableFinding {
        optional {
            /// The text in logic.
            translation: GuardrailAutomatedReasoningTranslation = "translation",
            /// An example in which the claims are true.
            claims_true_scenario: GuardrailAutomatedReasoningScenario = "claimsTrueScenario",
            /// An example in which the claims are false.
            claims_false_scenario: GuardrailAutomatedReasoningScenario = "claimsFalseScenario",
            /// A fault of the logic that needs no rules to be seen.
            logic_warning: GuardrailAutomatedReasoningLogicWarning = "logicWarning",
        }
    }
}

structure! {
    /// Nothing follows, because the premises or the rules contradict themselves.
    pub struct GuardrailAutomatedReasoningImpossibleFinding {
        optional {
            /// The text in logic.
            translation: GuardrailAutomatedReasoningTranslation = "translation",
            /// The rules that contradict the premises or the claims.
            contradicting_rules: Vec<GuardrailAutomatedReasoningRule> = "contradictingRules",
            /// A fault of the logic that needs no rules to be seen.
            logic_warning: GuardrailAutomatedReasoningLogicWarning = "logicWarning",
        }
    }
}

structure! {
    /// The text can be read in several ways.
    pub struct GuardrailAutomatedReasoningTranslationAmbiguousFinding {
        optional {
            /// The ways to read it, at most two.
            options: Vec<GuardrailAutomatedReasoningTranslationOption> = "options",
            /// Examples that show how the ways differ, at most two.
            difference_scenarios: Vec<GuardrailAutomatedReasoningScenario> = "differenceScenarios",
        }
    }
}

structure! {
    /// The text is too long or too intricate to be judged.
    pub struct GuardrailAutomatedReasoningTooComplexFinding {}
}

structure! {
    /// There is nothing in the text that could be judged.
    pub struct GuardrailAutomatedReasoningNoTranslationsFinding {}
}

structure! {
    /// One way to read a text.
    pub struct GuardrailAutomatedReasoningTranslationOption {
        optional {
            /// The text in logic, in this reading.
            translations: Vec<GuardrailAutomatedReasoningTranslation> = "translations",
        }
    }
}

structure! {
    /// A text in logic.
    pub struct GuardrailAutomatedReasoningTranslation {
        optional {
            /// What is given.
            premises: Vec<GuardrailAutomatedReasoningStatement> = "premises",
            /// What is claimed.
            claims: Vec<GuardrailAutomatedReasoningStatement> = "claims",
            /// Premises that could not be translated completely.
            untranslated_premises: Vec<GuardrailAutomatedReasoningInputTextReference> =
                "untranslatedPremises",
            /// Claims that could not be translated completely.
            untranslated_claims: Vec<GuardrailAutomatedReasoningInputTextReference> = "untranslatedClaims",
            /// How sure the service is of the translation, from 0 to 1.
            confidence: f64 = "confidence",
        }
    }
}

structure! {
    /// An example: an assignment of values.
    pub struct GuardrailAutomatedReasoningScenario {
        optional {
            /// The statements that hold in it.
            statements: Vec<GuardrailAutomatedReasoningStatement> = "statements",
        }
    }
}

structure! {
    /// A rule of an automated reasoning policy.
    pub struct GuardrailAutomatedReasoningRule {
        optional {
            /// Its id: 12 out of `a-z0-9`.
            identifier: String = "identifier",
            /// The ARN of the version of the policy that has it.
            policy_version_arn: String = "policyVersionArn",
        }
    }
}

structure! {
    /// A fault of the logic that needs no rules to be seen.
    pub struct GuardrailAutomatedReasoningLogicWarning {
        optional {
            /// The fault.
            kind: GuardrailAutomatedReasoningLogicWarningType = "type",
            /// What is given.
            premises: Vec<GuardrailAutomatedReasoningStatement> = "premises",
            /// What is claimed.
            claims: Vec<GuardrailAutomatedReasoningStatement> = "claims",
        }
    }
}

enumeration! {
    /// The faults of logic that need no rules to be seen.
    pub enum GuardrailAutomatedReasoningLogicWarningType {
        /// A statement that is always false.
        AlwaysFalse = "ALWAYS_FALSE",
        /// A statement that is always true.
        AlwaysTrue = "ALWAYS_TRUE",
    }
}

structure! {
    /// A statement.
    pub struct GuardrailAutomatedReasoningStatement {
        optional {
            /// In logic, in at most 1000 characters.
            logic: String = "logic",
            /// In words, in at most 1000 characters.
            natural_language: String = "naturalLanguage",
        }
    }
}

structure! {
    /// A part of the text that was assessed.
    pub struct GuardrailAutomatedReasoningInputTextReference {
        optional {
            /// The part, in at most 1000 characters.
            text: String = "text",
        }
    }
}
