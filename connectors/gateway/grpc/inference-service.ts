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
import { type ModelInferRequest, readInferRequest, writeInferResponse } from './infer-messages.ts'

export interface InferenceServiceOptions {
  readonly models: InferenceModels
  readonly requests: Requests
  readonly callers: Callers
  readonly intake: Intake
  readonly notReady: () => string | null
  readonly report: ReportedCall
}

/** The Open Inference Protocol v2 over gRPC: each swarm is a model. */
export function inferenceMethods(options: InferenceServiceOptions): GrpcMethods {
  const { models, requests, callers, notReady } = options

  /** The model, if the caller may ask it. A caller without the scope does not learn whether there is such a model. */
  function modelFor({ caller }: GrpcCall, name: string, version: string) {
    const gateway = gatewayOf(models, name)
    if (callers.areKnown && !caller.scopes.allow(`ask:${gateway}`)) throw scopeMissing(`ask:${gateway}`)
    return models.find(name, version)
  }

  async function infer(message: ModelInferRequest, call: GrpcCall): Promise<object> {
    const model = modelFor(call, message.model_name, message.model_version)
    return options.report(model.gateway, 'request', async () => {
      const { id, isRaw, outputs, ...inputs } = readInferRequest(message)
      checkRequested(outputs)
      const types = await model.types()
      return askedRequest(
        call,
        {
          gateway: model.gateway,
          waits: true,
          input: () => swarmInputOf(inputs, types),
          async send(request) {
            const { answer } = await requests.request(request)
            if (answer.kind === 'error') throw new BeeFailure(answer.error, request.id)
            const answered = { model: message.model_name, version: model.version, id: id === '' ? request.id : id }
            return writeInferResponse({ ...answered, outputs: outputsOf(answer, outputs) }, isRaw)
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
          // The metadata of a stream stand for all of its requests, and an idempotency key is that of one.
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
