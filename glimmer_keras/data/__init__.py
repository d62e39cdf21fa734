"""Examples, passages and tasks: read from files, tokenised once, and mixed into batches.

It knows no model and no retriever: a tokenizer comes as a `TokenSpec`, retrieved passages as rows.
"""

from glimmer_keras.data.corpus import Corpus as Corpus
from glimmer_keras.data.disk_corpus import DiskCorpus as DiskCorpus
from glimmer_keras.data.example import Example as Example
from glimmer_keras.data.mixture import mixture as mixture
from glimmer_keras.data.mixture_sampler import MixtureSampler as MixtureSampler
from glimmer_keras.data.padding import pad_tokens as pad_tokens
from glimmer_keras.data.padding import padding_mask as padding_mask
from glimmer_keras.data.padding import shift_right as shift_right
from glimmer_keras.data.passage import Passage as Passage
from glimmer_keras.data.passage_file import PassageFile as PassageFile
from glimmer_keras.data.passage_inputs import PassageInputs as PassageInputs
from glimmer_keras.data.provenance import Provenance as Provenance
from glimmer_keras.data.read import read_corpus as read_corpus
from glimmer_keras.data.read import read_fid as read_fid
from glimmer_keras.data.read import read_folder as read_folder
from glimmer_keras.data.read import read_knowledge_source as read_knowledge_source
from glimmer_keras.data.read import read_task as read_task
from glimmer_keras.data.read_results import read_dpr_results as read_dpr_results
from glimmer_keras.data.read_results import read_kilt_results as read_kilt_results
from glimmer_keras.data.read_results import read_results as read_results
from glimmer_keras.data.read_results import read_trec_run as read_trec_run
from glimmer_keras.data.retrieved_writer import RetrievedWriter as RetrievedWriter
from glimmer_keras.data.retrieved_writer import read_retrieved as read_retrieved
from glimmer_keras.data.task import Task as Task
from glimmer_keras.data.text_folder import read_texts as read_texts
from glimmer_keras.data.token_spec import TokenSpec as TokenSpec
from glimmer_keras.data.tokenized_corpus import TokenizedCorpus as TokenizedCorpus
from glimmer_keras.data.tokenized_corpus import tokenize_corpus as tokenize_corpus
from glimmer_keras.data.tokenized_task import TokenizedTask as TokenizedTask
from glimmer_keras.data.tokenized_task import tokenize_task as tokenize_task
