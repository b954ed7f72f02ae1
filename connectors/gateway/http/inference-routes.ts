import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import type { InferenceModel, InferenceModels } from '../../../topology/swarm/inference-models.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { type Answers, wholeAnswer } from '../../../topology/swarm/request/whole-answers.ts'
import { swarmInputOf } from '../inference/inference-input.ts'
import { checkRequested, outputsOf } from '../inference/inference-output.ts'
import { metadataOf, serverMetadata } from '../inference/model-metadata.ts'
import type { Intake } from '../intake.ts'
import { readerOf } from './answer-reader.ts'
import type { BodyLimits } from './body-limits.ts'
import { jsonAnswer } from './described-route.ts'
import { type InferenceBody, readInference, writeInference } from './inference-body.ts'
import { sendJson } from './management-routes.ts'
import { type Problem, problemOf, problemOfBee } from './problem.ts'
import { arrivalOf, idempotencyKeyOf, timeoutOf } from './request-routes.ts'
import { onResponseEnd } from './response-end.ts'

export interface InferenceRoutesOptions {
  readonly models: InferenceModels
  readonly requests: Requests
  readonly answers: Answers
  readonly intake: Intake
  readonly bodies: BodyLimits
  readonly notReady: () => string | null
  /** Called with the error of each answer that has the status 500. */
  readonly onError: (error: unknown, requestId: string) => void
}

/** Routes of the Open Inference Protocol v2: each swarm is a model. */
export function inferenceRoutes(app: FastifyInstance, options: InferenceRoutesOptions): void {
  const { models, requests, answers, intake, bodies, notReady } = options
  // The protocol has its own format for errors. Errors of hooks, such as a missing token, use this format too.
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { retryAfterSeconds, ...problem } = problemOf(error, request.id)
    if (problem.status === 500) options.onError(error, request.id)
    if (retryAfterSeconds !== null) reply.header('retry-after', String(retryAfterSeconds))
    if (problem.status === 408 || problem.status === 413 || !request.raw.complete) reply.header('connection', 'close')
    return sendError(reply, problem)
  })
  const open = { scope: 'open', pressureHandler: () => {}, rateLimit: false } as const
  const ask = { scope: 'ask', gatewayOf } as const

  app.get(
    '/v2',
    { config: open, schema: { ...about(serverAnswer), summary: 'The server and what of the Open Inference Protocol it speaks' } },
    (_, reply) => sendJson(reply, serverMetadata),
  )
  app.get('/v2/health/live', { config: open, schema: { ...about(live), summary: 'The process lives' } }, (_, reply) =>
    sendJson(reply, { live: true }),
  )
  app.get('/v2/health/ready', { config: open, schema: { ...about(isReady), summary: 'Every swarm answers' } }, (_, reply) => {
    const ready = notReady() === null
    return sendJson(reply.code(ready ? 200 : 503), { ready })
  })

  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<ModelRoute>(
      path,
      { config: ask, schema: { ...about(modelAnswer), params, summary: 'The inputs and outputs of a swarm' } },
      async ({ params }, reply) => sendJson(reply, await metadataOf(params.model, modelIn(params))),
    )
    app.get<ModelRoute>(
      `${path}/ready`,
      { config: ask, schema: { ...about(modelReady), params, summary: 'The swarm takes requests' } },
      ({ params }, reply) => {
        const ready = requests.refusal(modelIn(params).gateway) === null
        return sendJson(reply.code(ready ? 200 : 503), { name: params.model, ready })
      },
    )
    app.post<ModelRoute>(
      `${path}/infer`,
      { config: ask, schema: { ...inferred, params, summary: 'Sends tensors and waits for the answer as tensors' }, onRequest: admit },
      async (request, reply) => infer(request, reply, modelIn(request.params)),
    )
  }

  function modelIn({ model, version = '' }: ModelRoute['Params']): InferenceModel {
    return models.find(model, version)
  }

  /**
   * The gateway whose scope a caller needs. For an unknown model this is the model's name, so that only callers that may ask every gateway learn that
   * the model does not exist.
   */
  function gatewayOf(params: unknown): string {
    const { model } = params as ModelRoute['Params']
    try {
      return models.find(model, '').gateway
    } catch {
      return model
    }
  }

  /** Refuses a request before its body is read. */
  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { gateway } = modelIn(request.params as ModelRoute['Params'])
    const release = intake.admit({ gateway, caller: request.caller, priority: request.headers['x-priority'], waits: true })
    onResponseEnd(request.raw, reply.raw, release)
  }

  async function infer(request: FastifyRequest, reply: FastifyReply, model: InferenceModel): Promise<FastifyReply> {
    const { gateway } = model
    const { headers } = request
    const timeoutMs = timeoutOf(headers['x-timeout-seconds'])
    const identification = intake.identify({ gateway, caller: request.caller, key: idempotencyKeyOf(request), fresh: request.id })
    reply.header('x-request-id', identification.id)
    const { input, ...asked } = await readInput(request, reply, model)
    const made = intake.request({
      gateway,
      identification,
      ...input,
      timeoutMs,
      waits: true,
      arrival: arrivalOf(request),
    })
    const { id, answer: stored } = await requests.request(made)
    const answer = await wholeAnswer(answers, id, stored, () => readerOf(reply))
    if (answer.kind === 'error') return sendError(reply, problemOfBee(answer.error, id))
    const written = writeInference(
      {
        model: (request.params as ModelRoute['Params']).model,
        version: model.version,
        id: asked.id === '' ? id : asked.id,
        outputs: outputsOf(answer, asked.outputs),
      },
      (name) => isBinary(asked, name),
    )
    reply.header('cache-control', 'no-store')
    if (written.headerLength === undefined) return reply.header('content-type', 'application/json').send(written.bytes)
    return reply
      .header('inference-header-content-length', String(written.headerLength))
      .header('content-type', 'application/octet-stream')
      .send(written.bytes)
  }

  /** The input for the swarm, and the members of the body that the answer needs. The tensors are not kept until the answer. */
  async function readInput(request: FastifyRequest, reply: FastifyReply, model: InferenceModel) {
    const length = request.headers['inference-header-content-length']
    const body = readInference(await bodies.read(request.raw, reply.raw), typeof length === 'string' ? length : undefined)
    const { id, outputs, parameters } = body
    checkRequested(outputs)
    return { id, outputs, parameters, input: swarmInputOf(body, await model.types()) }
  }
}

interface ModelRoute {
  Params: { readonly model: string; readonly version?: string }
}

/** True if the caller wants the data of this output as bytes after the JSON. */
function isBinary({ outputs, parameters }: Pick<InferenceBody, 'outputs' | 'parameters'>, name: string): boolean {
  const own = outputs.find((output) => output.name === name)?.parameters.get('binary_data')
  return (own ?? parameters.get('binary_data_output')) === true
}

/** Sends an error in the format of the protocol, with Waggle's error code in the text. */
function sendError(reply: FastifyReply, { status, detail, code, bee }: Problem): FastifyReply {
  const error = `${bee === undefined ? '' : `${bee}: `}${detail} (${code})`
  return reply.code(status).header('content-type', 'application/json').send(JSON.stringify({ error }))
}

const failed = { default: { description: 'What went wrong.', content: { 'application/json': { schema: Type.Object({ error: Type.String() }) } } } }

/** The schema of a route, with the schema of its answer. The schemas are for the OpenAPI page, and do not serialize responses. */
function about(answer: TSchema) {
  return { tags: ['inference'], response: { ...jsonAnswer(answer, { description: 'As the protocol has it.' }), ...failed } }
}

const params = Type.Object({
  model: Type.String({ maxLength: 255, description: 'The name of a swarm with one gateway, or of a gateway.' }),
  version: Type.Optional(Type.String({ maxLength: 255, description: 'The version of the swarm that must run.' })),
})
const tensor = { name: Type.String(), datatype: Type.String(), shape: Type.Array(Type.Integer()) }
const tensors = Type.Array(Type.Object(tensor))
const live = Type.Object({ live: Type.Boolean() })
const isReady = Type.Object({ ready: Type.Boolean() })
const modelReady = Type.Object({ name: Type.String(), ready: Type.Boolean() })
const serverAnswer = Type.Object({ name: Type.String(), version: Type.String(), extensions: Type.Array(Type.String()) })
const modelAnswer = Type.Object({
  name: Type.String(),
  versions: Type.Array(Type.String()),
  platform: Type.String(),
  inputs: tensors,
  outputs: tensors,
})
const output = Type.Object({
  ...tensor,
  parameters: Type.Optional(Type.Object({ content_type: Type.Optional(Type.String()), binary_data_size: Type.Optional(Type.Integer()) })),
  data: Type.Optional(Type.Array(Type.Unknown())),
})
const inference = Type.Object({ model_name: Type.String(), model_version: Type.String(), id: Type.String(), outputs: Type.Array(output) })
/** With binary outputs, the answer is JSON and the bytes after it. */
const inferred = {
  tags: ['inference'],
  response: {
    200: {
      description: 'As the protocol has it.',
      content: { 'application/json': { schema: inference }, 'application/octet-stream': { schema: Type.String({ format: 'binary' }) } },
    },
    ...failed,
  },
}
