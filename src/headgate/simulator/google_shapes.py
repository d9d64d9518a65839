"""Google's published fields of `models.generateContent` on the Gemini API, as data. Names in lowerCamelCase."""

from __future__ import annotations

from headgate.simulator.shape import (
    ANY,
    BOOLEAN,
    FREE,
    INTEGER,
    NUMBER,
    STRING,
    Array,
    Either,
    Enum,
    Later,
    Map,
    Object,
    Scalar,
    Spec,
)

_TABLE: dict[str, Spec] = {}
_SCHEMA = Later(_TABLE, "Schema")
_LONG = Either((INTEGER, STRING))  # protobuf writes 64-bit integers as strings
_TABLE["Schema"] = Object(
    {},
    {
        "type": Enum(
            ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"), fold=True
        ),
        "format": STRING,
        "title": STRING,
        "description": STRING,
        "nullable": BOOLEAN,
        "enum": Array(STRING),
        "items": _SCHEMA,
        "maxItems": _LONG,
        "minItems": _LONG,
        "properties": Map(_SCHEMA),
        "required": Array(STRING),
        "minProperties": _LONG,
        "maxProperties": _LONG,
        "minimum": NUMBER,
        "maximum": NUMBER,
        "minLength": _LONG,
        "maxLength": _LONG,
        "pattern": STRING,
        "example": ANY,
        "anyOf": Array(_SCHEMA),
        "propertyOrdering": Array(STRING),
        "default": ANY,
        "additionalProperties": ANY,
        "ref": STRING,
        "defs": Map(_SCHEMA),
    },
)
_BLOB = Object({}, {"mimeType": STRING, "data": STRING, "displayName": STRING})
_FILE = Object({}, {"mimeType": STRING, "fileUri": STRING, "displayName": STRING})
_LEVEL = Object({}, {"level": STRING, "numTokens": INTEGER})
PART_DATA: dict[str, Spec] = {
    "text": STRING,
    "inlineData": _BLOB,
    "fileData": _FILE,
    "functionCall": Object({}, {"id": STRING, "name": STRING, "args": FREE}),
    "functionResponse": Object(
        {},
        {
            "id": STRING,
            "name": STRING,
            "response": FREE,
            "willContinue": BOOLEAN,
            "scheduling": STRING,
            "parts": Array(
                Object({}, {"inlineData": _BLOB, "fileData": _FILE, "mediaResolution": _LEVEL, "videoMetadata": FREE})
            ),
        },
    ),
    "executableCode": FREE,
    "codeExecutionResult": FREE,
    "toolCall": FREE,
    "toolResponse": FREE,
}
_PART = Object(
    {},
    {
        **PART_DATA,
        "thought": BOOLEAN,
        "thoughtSignature": STRING,
        "videoMetadata": FREE,
        "mediaResolution": _LEVEL,
        "partMetadata": FREE,
        "mediaProcessing": FREE,
        "audioTranscription": FREE,
        "speechMetadata": FREE,
        "documentMetadata": FREE,
        "spreadsheetMetadata": FREE,
        "audioMetadata": FREE,
    },
)
_CONTENT = Object({}, {"role": STRING, "parts": Array(_PART)})
_DECLARATION = Object(
    {},
    {
        "name": STRING,
        "description": STRING,
        "parameters": _SCHEMA,
        "parametersJsonSchema": ANY,
        "response": _SCHEMA,
        "responseJsonSchema": ANY,
        "behavior": STRING,
    },
)
_TOOL = Object(
    {},
    {
        "functionDeclarations": Array(_DECLARATION),
        "computerUse": FREE,
        "fileSearch": FREE,
        "googleSearch": FREE,
        "googleMaps": FREE,
        "codeExecution": FREE,
        "googleSearchRetrieval": FREE,
        "urlContext": FREE,
        "mcpServers": Array(FREE),
    },
)
_CONFIG = Object(
    {},
    {
        "candidateCount": Scalar("integer", 1, 8),
        "maxOutputTokens": Scalar("integer", 1),
        "stopSequences": Array(STRING, most=5),
        "temperature": Scalar("number", 0, 2),
        "topP": Scalar("number", 0, 1),
        "topK": Scalar("number", 1),
        "presencePenalty": Scalar("number", -2, 2),
        "frequencyPenalty": Scalar("number", -2, 2),
        "responseLogprobs": BOOLEAN,
        "logprobs": Scalar("integer", 0, 20),
        "seed": INTEGER,
        "responseMimeType": STRING,
        "responseSchema": _SCHEMA,
        "responseJsonSchema": ANY,
        "responseModalities": Array(Enum(("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"))),
        "mediaResolution": STRING,
        "speechConfig": FREE,
        "imageConfig": FREE,
        "enableEnhancedCivicAnswers": BOOLEAN,
        "audioTranscriptionConfig": FREE,
        "thinkingConfig": Object(
            {},
            {
                "includeThoughts": BOOLEAN,
                "thinkingBudget": Scalar("integer", -1),
                "thinkingLevel": Enum(
                    ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"), fold=True
                ),
            },
        ),
    },
)
_CATEGORY = Enum(
    tuple(
        f"HARM_CATEGORY_{one}"
        for one in (
            "UNSPECIFIED",
            "HARASSMENT",
            "HATE_SPEECH",
            "SEXUALLY_EXPLICIT",
            "DANGEROUS_CONTENT",
            "CIVIC_INTEGRITY",
        )
    )
)
_THRESHOLD = Enum(
    (
        "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
        "BLOCK_LOW_AND_ABOVE",
        "BLOCK_MEDIUM_AND_ABOVE",
        "BLOCK_ONLY_HIGH",
        "BLOCK_NONE",
        "OFF",
    )
)

BODY = Object(
    {},
    {
        "contents": Array(_CONTENT),
        "systemInstruction": _CONTENT,
        "tools": Array(_TOOL),
        "toolConfig": Object(
            {},
            {
                "functionCallingConfig": Object(
                    {},
                    {
                        "mode": Enum(("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")),
                        "allowedFunctionNames": Array(STRING),
                    },
                ),
                "retrievalConfig": FREE,
                "includeServerSideToolInvocations": BOOLEAN,
            },
        ),
        "safetySettings": Array(Object({}, {"category": _CATEGORY, "threshold": _THRESHOLD})),
        "generationConfig": _CONFIG,
        "cachedContent": STRING,
        "model": STRING,
        "labels": Map(STRING),
        "serviceTier": STRING,
        "store": BOOLEAN,
        "continuationToken": STRING,
    },
)
