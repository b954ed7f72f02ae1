import type { InferenceModels } from '../../../topology/swarm/inference-models.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import type { Callers } from '../access/caller.ts'
import { scopeMissing } from '../access/known-caller.ts'
import { problemOf } from '../http/problem.ts'
import { swarmInputOf } from '../inference/inference-input.ts'
import { checkRequested, outputsOf } from '../inference/inference-output.ts'
import { metadataOf, serverMetadata } from '../inference/model-metadata.ts'
import type { Intake } from '../intake.ts'
import { askedRequest, type ReportedCall } from './asked-request.ts'
import { BeeFailure } from './bee-failure.ts'
import type { AnswerStream, GrpcCall, GrpcMethods } from './grpc-service.ts'
import { type InferRequest, type ModelInferRequest, readInferRequest, writeInferResponse } from './infer-messages.ts'

export interface InferenceServiceOptions {
  readonly models: InferenceModels
  readonly requests: Requests
  readonly callers: Callers
  readonly intake: Intake
  readonly notReady: () => string | null
  readonly report: ReportedCall
}

/** The methods of the Open Inference Protocol v2 over gRPC: each swarm is a model. */
export function inferenceMethods(options: InferenceServiceOptions): GrpcMethods {
  const { models, requests, callers, notReady } = options

  /** The model, if the caller may send requests to it. A caller without the scope does not learn whether the model exists. */
  function modelFor({ caller }: GrpcCall, name: string, version: string) {
    const gateway = gatewayOf(models, name)
    if (callers.areKnown && !caller.scopes.allow(`ask:${gateway}`)) throw scopeMissing(`ask:${gateway}`)
    return models.find(name, version)
  }

  async function infer(message: ModelInferRequest, call: GrpcCall): Promise<object> {
    const { model_name: name } = message
    const model = modelFor(call, name, message.model_version)
    const take = keptOnce(message)
    return options.report(model.gateway, 'request', () => {
      let asked: Pick<InferRequest, 'id' | 'isRaw' | 'outputs'> = { id: '', isRaw: false, outputs: [] }
      return askedRequest(
        call,
        {
          gateway: model.gateway,
          waits: true,
          async input() {
            const { id, isRaw, outputs, ...inputs } = readInferRequest(take())
            checkRequested(outputs)
            asked = { id, isRaw, outputs }
            return swarmInputOf(inputs, await model.types())
          },
          async send(request) {
            const { answer } = await requests.request(request)
            if (answer.kind === 'error') throw new BeeFailure(answer.error, request.id)
            const answered = { model: name, version: model.version, id: asked.id === '' ? request.id : asked.id }
            return writeInferResponse({ ...answered, outputs: outputsOf(answer, asked.outputs) }, asked.isRaw)
          },
        },
        options,
      )
    })
  }

  return {
    ServerLive: { unary: async () => ({ live: true }) },
    ServerReady: { unary: async () => ({ ready: notReady() === null }) },
    ServerMetadata: { unary: async () => serverMetadata },
    ModelReady: {
      unary: async ({ name, version }: NamedModel, call) => ({ ready: requests.refusal(modelFor(call, name, version).gateway) === null }),
    },
    ModelMetadata: { unary: async ({ name, version }: NamedModel, call) => metadataOf(name, modelFor(call, name, version)) },
    ModelInfer: { unary: infer },
    ModelStreamInfer: {
      async bidi(messages: AsyncIterable<ModelInferRequest>, call: GrpcCall, answers: AnswerStream) {
        for await (const message of messages) {
          // The metadata of a stream applies to all of its requests, but an idempotency key belongs to one request. So the key is left out.
          const own = { ...call, header: (name: string) => (name === 'idempotency-key' ? undefined : call.header(name)) }
          const answer = await infer(message, own).then(
            (infer_response) => ({ infer_response }),
            (thrown: unknown) => ({ error_message: errorText(thrown), infer_response: { id: message.id, model_name: message.model_name } }),
          )
          await answers.send(answer)
        }
      },
    },
  }
}

/**
 * Keeps a message until it is taken. Decoded tensors take many times the bytes that the limits count, so they must not stay in memory until the
 * answer.
 */
function keptOnce(message: ModelInferRequest): () => ModelInferRequest {
  let kept: ModelInferRequest | null = message
  return () => {
    const taken = kept
    kept = null
    if (taken === null) throw new Error('The message was taken before')
    return taken
  }
}

function errorText(thrown: unknown): string {
  const { detail, code, bee } = thrown instanceof BeeFailure ? thrown.problem : problemOf(thrown, '')
  return `${bee === undefined ? '' : `${bee}: `}${detail} (${code})`
}

function gatewayOf(models: InferenceModels, name: string): string {
  try {
    return models.find(name, '').gateway
  } catch {
    return name
  }
}

interface NamedModel {
  readonly name: string
  readonly version: string
}
