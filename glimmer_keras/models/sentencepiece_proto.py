"""The part of SentencePiece's model file that a vocabulary needs, as a protobuf message.

SentencePiece's own `sentencepiece_model_pb2` refuses every protobuf older than the one that made
it, apache-beam's among them. Fields that are not listed here are kept as they come.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

UNIGRAM = 1
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

# Message: fields as (name, number, type, default), of sentencepiece_model.proto.
FIELDS: dict[str, list[tuple[str, int, str, str | None]]] = {
    "SentencePiece": [
        ("piece", 1, "STRING", None),
        ("score", 2, "FLOAT", None),
        ("type", 3, "INT32", str(NORMAL)),
    ],
    "TrainerSpec": [
        ("model_type", 3, "INT32", str(UNIGRAM)),
        ("vocab_size", 4, "INT32", "8000"),
        ("byte_fallback", 35, "BOOL", "false"),
        ("unk_id", 40, "INT32", "0"),
        ("bos_id", 41, "INT32", "1"),
        ("eos_id", 42, "INT32", "2"),
        ("pad_id", 43, "INT32", "-1"),
        ("unk_piece", 45, "STRING", "<unk>"),
        ("eos_piece", 47, "STRING", "</s>"),
        ("pad_piece", 48, "STRING", "<pad>"),
    ],
    "NormalizerSpec": [
        ("precompiled_charsmap", 2, "BYTES", None),
        ("add_dummy_prefix", 3, "BOOL", "true"),
        ("remove_extra_whitespaces", 4, "BOOL", "true"),
        ("escape_whitespaces", 5, "BOOL", "true"),
        ("normalization_rule_tsv", 6, "STRING", None),
    ],
}
PARTS = [
    ("pieces", 1, "LABEL_REPEATED", "SentencePiece"),
    ("trainer_spec", 2, "LABEL_OPTIONAL", "TrainerSpec"),
    ("normalizer_spec", 3, "LABEL_OPTIONAL", "NormalizerSpec"),
    ("denormalizer_spec", 5, "LABEL_OPTIONAL", "NormalizerSpec"),
]


def _model_proto() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="vocabulary.proto", package="glimmer_keras")
    for message, fields in FIELDS.items():
        described = file.message_type.add(name=message)
        for name, number, kind, default in fields:
            described.field.add(
                name=name,
                number=number,
                label=kinds.LABEL_OPTIONAL,
                type=getattr(kinds, f"TYPE_{kind}"),
                default_value=default,
            )
    model = file.message_type.add(name="ModelProto")
    for name, number, label, message in PARTS:
        model.field.add(
            name=name,
            number=number,
            label=getattr(kinds, label),
            type=kinds.TYPE_MESSAGE,
            type_name=f".glimmer_keras.{message}",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("glimmer_keras.ModelProto"))


ModelProto = _model_proto()
