import { Client, connectivityState, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { boundedTensors } from './metadata-bounds.ts'
import { decodeMessage, encodeMessage, type RawModelSpec, type RawTensorInfo } from './prediction-schema.ts'
import {
  type CallLimit,
  type ExpectedOutput,
  maxAnswerBytes,
  type NamedTensors,
  type ServedMetadata,
  type ServedTensor,
  type ServingClient,
  type ServingClientOptions,
} from './serving-client.ts'
import { quoted, ServingFailure } from './serving-failure.ts'
import { readTensorProto, tensorProto } from './tensor-proto.ts'
import { typeName } from './tensor-types.ts'

/** The client of a TensorFlow Serving over gRPC, for its PredictionService. A call tells the server its deadline. */
export class GrpcClient implements ServingClient {
  readonly #options: ServingClientOptions
  /**
   * The connection. It is null before the first call. It is also null after a call that the server has not accepted, because the server's name may
   * then have another address.
   */
  #client: Promise<Client> | null = null

  constructor(options: ServingClientOptions) {
    this.#options = options
  }

  async #connect(): Promise<Client> {
    const { address, tls, hosts } = this.#options
    const found = await hosts.addressesOf(address.hostname)
    const [first] = found
    const same = found.filter(({ family }) => family === first?.family)
    const target = same.map(({ address: one }) => (one.includes(':') ? `[${one}]:${address.port}` : `${one}:${address.port}`)).join(',')
    const isSecure = address.protocol === 'grpcs'
    const secured = () => credentials.createSsl(bytesOf(tls.ca), bytesOf(tls.key), bytesOf(tls.cert))
    return new Client(`ipv${first?.family === 6 ? 6 : 4}:${target}`, isSecure ? secured() : credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxAnswerBytes,
      'grpc.max_send_message_length': -1,
      'grpc.default_authority': address.hostname.includes(':') ? `[${address.hostname}]:${address.port}` : `${address.hostname}:${address.port}`,
      ...(isSecure ? { 'grpc.ssl_target_name_override': address.hostname } : {}),
      // The swarm names the server. A proxy from the environment, or a DNS record, must not choose another server or another policy.
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
    })
  }

  async metadata(limit: CallLimit): Promise<ServedMetadata> {
    const request = encodeMessage('GetModelMetadataRequest', { modelSpec: this.#spec(), metadataField: ['signature_def'] })
    const { modelSpec, metadata } = decodeMessage('GetModelMetadataResponse', await this.#call('GetModelMetadata', request, limit))
    const packed = metadata === undefined || !Object.hasOwn(metadata, 'signature_def') ? undefined : metadata.signature_def?.value
    if (packed === undefined) throw new ServingFailure('unusable', 'answers without a model’s metadata')
    const { signatureDef = {} } = decodeMessage('SignatureDefMap', packed)
    return {
      version: versionOf(modelSpec),
      signatures: new Map(
        Object.entries(signatureDef).map(([name, { inputs = {}, outputs = {} }]) => [
          name,
          { inputs: tensorsOf(inputs), outputs: tensorsOf(outputs) },
        ]),
      ),
    }
  }

  async predict(inputs: NamedTensors, outputs: readonly ExpectedOutput[], limit: CallLimit): Promise<NamedTensors> {
    const { address, signature } = this.#options
    const request = encodeMessage('PredictRequest', {
      modelSpec: { ...this.#spec(), signatureName: signature },
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorProto(tensor)])),
      outputFilter: outputs.map(({ name }) => name),
    })
    const { outputs: given = {}, modelSpec } = decodeMessage('PredictResponse', await this.#call('Predict', request, limit))
    const version = versionOf(modelSpec)
    if (modelSpec?.signatureName && modelSpec.signatureName !== signature)
      throw new ServingFailure('unusable', `answers for the signature ${quoted(modelSpec.signatureName)} instead of ${signature}`)
    if (address.version !== null && version !== null && version !== String(address.version))
      throw new ServingFailure('unusable', `answers for version ${version} instead of ${address.version}`)
    return Object.fromEntries(
      outputs.map((output) => {
        const tensor = Object.hasOwn(given, output.name) ? given[output.name] : undefined
        if (tensor === undefined) throw new ServingFailure('unusable', `answers without the output ${output.name}`)
        return [output.name, readTensorProto(output, tensor)]
      }),
    )
  }

  close(): void {
    this.#drop(this.#client)
  }

  #drop(client: Promise<Client> | null): void {
    if (this.#client === client) this.#client = null
    client?.then(
      (open) => open.close(),
      () => {},
    )
  }

  #spec(): RawModelSpec {
    const { model, version, label } = this.#options.address
    return { name: model, ...(version !== null ? { version: { value: version } } : label !== null ? { versionLabel: label } : {}) }
  }

  /** Makes a call, and returns the message of the response. */
  async #call(method: string, request: Buffer, limit: CallLimit): Promise<Buffer> {
    this.#client ??= this.#connect()
    const client = this.#client
    try {
      return await this.#callOn(await client, method, request, limit)
    } catch (thrown) {
      if (thrown instanceof ServingFailure && (thrown.kind === 'away' || thrown.kind === 'forbidden')) this.#drop(client)
      throw thrown
    }
  }

  /** Makes a call on one connection. If the connection is not open within `connectMs`, the server counts as unreachable. */
  #callOn(client: Client, method: string, request: Buffer, { signal, deadline, trace }: CallLimit): Promise<Buffer> {
    const { connectMs, after } = this.#options
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(trace)) metadata.set(name, value)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new ServingFailure('late', 'gave no answer in time'))
      let isSlowToConnect = false
      const call = client.makeUnaryRequest(
        `/tensorflow.serving.PredictionService/${method}`,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        metadata,
        deadline === null ? {} : { deadline },
        (error, answer) => {
          cancelTimer()
          signal.removeEventListener('abort', abort)
          if (error !== null)
            reject(isSlowToConnect ? new ServingFailure('away', `does not take a connection within ${connectMs / 1000} s`) : failureOf(error, signal))
          else if (answer === undefined) reject(new ServingFailure('unusable', 'answers without a message'))
          else resolve(answer)
        },
      )
      const abort = () => call.cancel()
      signal.addEventListener('abort', abort, { once: true })
      const cancelTimer = after(connectMs, () => {
        if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return
        isSlowToConnect = true
        call.cancel()
      })
    })
  }
}

function bytesOf(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text)
}

function versionOf(spec: RawModelSpec | null | undefined): string | null {
  return spec?.version == null ? null : String(spec.version.value ?? 0)
}

function tensorsOf(tensors: { readonly [name: string]: RawTensorInfo }): readonly ServedTensor[] {
  return boundedTensors(
    Object.entries(tensors).map(([name, { dtype = 0, tensorShape }]) => ({
      name,
      type: typeName(dtype),
      shape: tensorShape?.unknownRank === true ? null : (tensorShape?.dim ?? []).map(({ size }) => Number(size ?? 0)),
    })),
  )
}

/** The failure for a gRPC status code: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
function failureOf(error: ServiceError, signal: AbortSignal): ServingFailure {
  // If no connection was made, grpc-js puts its own words around the reason.
  const said = quoted(error.details || error.message)
    .replace(/ Resolution note:.*$/, '')
    .replace(/Last error: Error: /, '')
  const answered = `answers ${status[error.code]}: ${said}`
  if (signal.aborted || error.code === status.DEADLINE_EXCEEDED) return new ServingFailure('late', 'gave no answer in time', error)
  if (/message larger than max/.test(said)) return new ServingFailure('unusable', `answers with more than ${maxAnswerBytes / 1024 / 1024} MiB`, error)
  switch (error.code) {
    case status.UNAVAILABLE:
      if (/^(?:Connection dropped|Write (?:error|failed)|read E|write E)/.test(said))
        return new ServingFailure('broken', `broke off the connection: ${said}`, error)
      return new ServingFailure(
        'away',
        /^(?:No connection established|Name resolution)/.test(said) ? `takes no connection: ${said}` : answered,
        error,
      )
    case status.RESOURCE_EXHAUSTED:
      return new ServingFailure('away', answered, error)
    case status.NOT_FOUND:
      return new ServingFailure('missing', answered, error)
    case status.CANCELLED:
      return new ServingFailure('broken', answered, error)
    default:
      return new ServingFailure(/RST_STREAM|message parsing/.test(said) ? 'unusable' : 'refused', answered, error)
  }
}
