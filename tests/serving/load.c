/* Loads a SavedModel as TensorFlow Serving does and runs the requests of a plan.
 *
 *   load MODEL PLAN
 *
 * The plan is words apart by blanks: for each request `run NAME`, then for each input
 * `in OPERATION INDEX DTYPE RANK SIZE... FILE` and for each output `out KEY OPERATION INDEX`, then
 * `end`. DTYPE is TensorFlow's number, FILE holds the bytes. Prints `NAME KEY VALUE...` in lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MOST = 16, WORD = 512 };

static TF_Status* status;

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

static void check(const char* what) {
  if (TF_GetCode(status) != TF_OK) fail(what);
}

static void word(FILE* plan, char* into) {
  if (fscanf(plan, "%511s", into) != 1) fail("the plan is cut short");
}

static long number(FILE* plan) {
  char text[WORD];
  word(plan, text);
  return strtol(text, NULL, 10);
}

static TF_Output output(FILE* plan, TF_Graph* graph) {
  char name[WORD];
  word(plan, name);
  TF_Output found = {TF_GraphOperationByName(graph, name), (int)number(plan)};
  if (found.oper == NULL) fail(name);
  return found;
}

static TF_Tensor* tensor(FILE* plan) {
  TF_DataType dtype = (TF_DataType)number(plan);
  int rank = (int)number(plan);
  int64_t sizes[MOST];
  size_t bytes = TF_DataTypeSize(dtype);
  for (int i = 0; i < rank; ++i) {
    sizes[i] = number(plan);
    bytes *= (size_t)sizes[i];
  }
  char path[WORD];
  word(plan, path);
  TF_Tensor* made = TF_AllocateTensor(dtype, sizes, rank, bytes);
  FILE* file = fopen(path, "rb");
  if (file == NULL || fread(TF_TensorData(made), 1, bytes, file) != bytes) fail(path);
  fclose(file);
  return made;
}

static void print(const char* name, const char* key, TF_Tensor* made) {
  printf("%s %s", name, key);
  for (int64_t i = 0; i < TF_TensorElementCount(made); ++i) {
    if (TF_TensorType(made) == TF_FLOAT) {
      printf(" %.9g", ((float*)TF_TensorData(made))[i]);
    } else if (TF_TensorType(made) == TF_INT32) {
      printf(" %d", ((int32_t*)TF_TensorData(made))[i]);
    } else {
      fail("an output of another type");
    }
  }
  printf("\n");
}

static void run(FILE* plan, TF_Graph* graph, TF_Session* session) {
  char name[WORD], next[WORD], keys[MOST][WORD];
  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *given[MOST], *made[MOST];
  int in = 0, out = 0;
  word(plan, name);
  for (word(plan, next); strcmp(next, "end") != 0; word(plan, next)) {
    if (strcmp(next, "in") == 0) {
      inputs[in] = output(plan, graph);
      given[in++] = tensor(plan);
    } else {
      word(plan, keys[out]);
      outputs[out++] = output(plan, graph);
    }
  }
  TF_SessionRun(session, NULL, inputs, given, in, outputs, made, out, NULL, 0, NULL, status);
  check(name);
  for (int i = 0; i < out; ++i) print(name, keys[i], made[i]), TF_DeleteTensor(made[i]);
  for (int i = 0; i < in; ++i) TF_DeleteTensor(given[i]);
}

int main(int argc, char** argv) {
  const char* tags[] = {"serve"};
  char next[WORD];
  if (argc != 3) return fprintf(stderr, "load MODEL PLAN\n"), 2;
  status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(argv[1]);
  FILE* plan = fopen(argv[2], "r");
  if (plan == NULL) fail(argv[2]);
  while (fscanf(plan, "%511s", next) == 1) run(plan, graph, session);
  fclose(plan);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
