import { z } from '@hono/zod-openapi';
import { INPUT, LABEL, OUTPUT } from './protocol-names.js';

/** Bodies of requests and answers, as the server's document describes them. */

export const error = z.object({ error: z.string() }).openapi('Error');
const parameter = z.union([z.string(), z.number(), z.boolean()]);
const parameters = z.record(z.string(), parameter);
const ghosts = (description: string) =>
  z.object({ ghosts: z.int().min(1).optional().openapi({ description }) });
const tensorMetadata = z
  .object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) })
  .openapi('TensorMetadata', { description: 'A size of −1 may be any size.' });
const data = z
  .array(z.unknown())
  .openapi({ description: 'Numbers, row after row, flat or as nested lists.' });

export const serverMetadata = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .openapi('ServerMetadata');
export const modelMetadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorMetadata),
    outputs: z.array(tensorMetadata),
  })
  .openapi('ModelMetadata');
export const inferRequest = z
  .object({
    id: z.string().optional(),
    parameters: ghosts(
      'Use only this many of the first ghosts of each block of a phantom network ' +
        '(default: as the server was started, else all).',
    )
      .catchall(parameter)
      .optional(),
    inputs: z.array(
      z.object({
        name: z.string().openapi({
          description: `${INPUT}, or for a model of a table the name of a column, of which then all are needed`,
        }),
        shape: z
          .array(z.int())
          .openapi({ description: `${INPUT}: [rows, features]; a column: [rows]` }),
        datatype: z.string().openapi({
          description: 'FP32, or any other number of the protocol; of a column also BYTES and BOOL',
        }),
        parameters: parameters.optional(),
        data: data.optional(),
      }),
    ),
    outputs: z
      .array(z.object({ name: z.enum([OUTPUT, LABEL]), parameters: parameters.optional() }))
      .optional(),
  })
  .openapi('InferRequest');
const answerParameters = ghosts('Ghosts in use; absent for a network without ghosts.').extend({
  notes: z.string().optional().openapi({
    description: 'Columns that are not used, and categories that training did not have.',
  }),
});
export const inferResponse = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    parameters: answerParameters.optional(),
    outputs: z.array(
      z.object({
        name: z.enum([OUTPUT, LABEL]),
        shape: z.array(z.int()),
        datatype: z.enum(['FP32', 'BYTES']),
        parameters: parameters.optional(),
        data: data.optional(),
      }),
    ),
  })
  .openapi('InferResponse');
const row = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const rows = z.array(row).openapi({
  description:
    'Rows of a table as the model was trained on, by the names of the columns, in any order. ' +
    'null is a gap. Columns that the model does not need are passed over.',
});
export const predictRequest = z
  .union([
    z.object({
      id: z.string().optional(),
      parameters: ghosts('As of an InferRequest.').catchall(parameter).optional(),
      rows,
    }),
    rows,
  ])
  .openapi('PredictRequest');
export const predictResponse = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    parameters: answerParameters.optional(),
    predictions: z
      .array(z.record(z.string(), z.union([z.string(), z.number(), z.null()])))
      .openapi({
        description:
          'A row each: the id, if rows have one; the predicted columns in their units, or the class ' +
          'and p(class), its probability, of every class.',
      }),
  })
  .openapi('PredictResponse');
export const index = z
  .array(
    z.object({
      name: z.string(),
      version: z.string().optional(),
      state: z.enum(['READY', 'UNAVAILABLE']),
      reason: z.string(),
    }),
  )
  .openapi('RepositoryIndex');

export const live = z.object({ live: z.literal(true) }).openapi('ServerLive');
export const ready = live.extend({ ready: z.literal(true) }).openapi('ServerReady');
export const modelReady = z
  .object({ name: z.string(), ready: z.literal(true) })
  .openapi('ModelReady');
