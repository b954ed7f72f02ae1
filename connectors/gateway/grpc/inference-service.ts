import type { InferenceModel, InferenceModels } from '../../../topology/swarm/inference-models.ts'
import { type Answers, wholeAnswer } from '../../../topology/swarm/request/answers.ts'
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
import { type InferRequest, type ModelInferRequest, maxIdLength, readInferRequest, writeInferResponse } from './infer-messages.ts'
import type { ReceivedInput } from './received-input.ts'

export interface InferenceServiceOptions {
  readonly models: InferenceModels
  readonly requests: Requests
  readonly answers: Answers
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

  /** Decoded tensors take many times the bytes that the bounds count. So this function keeps nothing of them except their values. */
  function decodedInfer(received: ReceivedInput<ModelInferRequest>, name: string): InferRequest & { readonly model: InferenceModel } {
    const message = received.decode()
    return { model: models.find(name, message.model_version), ...readInferRequest(message) }
  }

  async function infer(received: ReceivedInput<ModelInferRequest>, call: GrpcCall): Promise<object> {
    const name = received.text('model_name')
    const { gateway } = modelFor(call, name, '')
    return options.report(gateway, 'request', () => {
      let asked: Pick<InferRequest, 'id' | 'isRaw' | 'outputs'> = { id: '', isRaw: false, outputs: [] }
      let version = ''
      return askedRequest(
        call,
        {
          gateway,
          waits: true,
          async input() {
            const { id, isRaw, outputs, model, ...inputs } = decodedInfer(received, name)
            checkRequested(outputs)
            asked = { id, isRaw, outputs }
            version = model.version
            return swarmInputOf(inputs, await model.types())
          },
          async send(request) {
            const stored = (await requests.request(request)).answer
            const answer = await wholeAnswer(options.answers, request.id, stored, () => call.reader())
            if (answer.kind === 'error') throw new BeeFailure(answer.error, request.id)
            const answered = { model: name, version, id: asked.id === '' ? request.id : asked.id }
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
    ModelInfer: { takesInput: true, unary: infer },
    ModelStreamInfer: {
      takesInput: true,
      async bidi(messages: AsyncIterable<ReceivedInput<ModelInferRequest>>, call: GrpcCall, answers: AnswerStream) {
        for await (const message of messages) {
          // An unreadable message ends the stream, because the server cannot tell which request the message belongs to.
          const [id, model_name] = [message.text('id').slice(0, maxIdLength), message.text('model_name').slice(0, maxIdLength)]
          // The memory of an answer is free once the caller has read the answer, although the stream goes on.
          const sent = new AbortController()
          const own = {
            ...call,
            // The metadata of a stream apply to all of its requests, but an idempotency key belongs to a single request.
            header: (name: string) => (name === 'idempotency-key' ? undefined : call.header(name)),
            reader: () => ({ ...call.reader(), closed: AbortSignal.any([call.reader().closed, sent.signal]) }),
          }
          const answer = await infer(message, own).then(
            (infer_response) => ({ infer_response }),
            (thrown: unknown) => ({ error_message: errorText(thrown), infer_response: { id, model_name } }),
          )
          await answers.send(answer)
          sent.abort()
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
