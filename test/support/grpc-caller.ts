import { type ChannelCredentials, Client, type ClientReadableStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { ProtoFile } from '../../connectors/gateway/grpc/proto-file.ts'

export interface CallOptions {
  readonly headers?: { readonly [name: string]: string }
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** The outcome of a call: its message, or its status with the name of the code, the details, and the trailers that Waggle sets. */
export interface CallOutcome {
  readonly status: string
  readonly details: string
  readonly error: string | undefined
  readonly message: { readonly [field: string]: unknown }
  readonly requestId: string | undefined
}

const files = { inference: new ProtoFile('inference.proto'), waggle: new ProtoFile('waggle.proto'), grpc: new ProtoFile('health.proto') }

/** A client of a gRPC gateway. It uses grpc-js, with the messages of the proto files. */
export class GrpcCaller {
  readonly #client: Client

  constructor(address: string, tls: ChannelCredentials = credentials.createInsecure(), options: { readonly [option: string]: string | number } = {}) {
    this.#client = new Client(address, tls, { 'grpc.max_receive_message_length': -1, 'grpc.use_local_subchannel_pool': 1, ...options })
  }

  /** Calls a method such as `inference.GRPCInferenceService/ModelInfer`. Bytes are sent unchanged. */
  call(path: string, request: object | Uint8Array, { headers = {}, timeoutMs, signal }: CallOptions = {}): Promise<CallOutcome> {
    const { requestType, responseType } = typesOf(path)
    return new Promise((resolve) => {
      let requestId: string | undefined
      const call = this.#client.makeUnaryRequest(
        `/${path}`,
        (message: object) => Buffer.from(message instanceof Uint8Array ? message : requestType.encode(message).finish()),
        (bytes: Buffer) => responseType.toObject(responseType.decode(bytes), { longs: Number, enums: String }),
        request,
        metadataOf(headers),
        timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
        (error, message) => resolve(outcomeOf(error, message ?? {}, requestId)),
      )
      call.on('metadata', (sent) => {
        requestId = String(sent.get('x-request-id')[0])
      })
      signal?.addEventListener('abort', () => call.cancel())
    })
  }

  /** The messages of a call with a streaming answer, followed by its outcome. */
  async stream(path: string, request: object, { headers = {} }: CallOptions = {}): Promise<readonly (CallOutcome['message'] | CallOutcome)[]> {
    const { requestType, responseType } = typesOf(path)
    const call: ClientReadableStream<CallOutcome['message']> = this.#client.makeServerStreamRequest(
      `/${path}`,
      (message: object) => Buffer.from(requestType.encode(message).finish()),
      (bytes: Buffer) => responseType.toObject(responseType.decode(bytes), { longs: Number, enums: String }),
      request,
      metadataOf(headers),
    )
    const found: (CallOutcome['message'] | CallOutcome)[] = []
    call.on('data', (message) => found.push(message))
    return new Promise((resolve) => {
      call.on('error', (error) => resolve([...found, outcomeOf(error as ServiceError, {}, undefined)]))
      call.on('end', () => resolve(found))
    })
  }

  close(): void {
    this.#client.close()
  }
}

/** A request message of a method, as bytes. */
export function requestBytes(path: string, message: object): Uint8Array {
  return typesOf(path).requestType.encode(message).finish()
}

function typesOf(path: string) {
  const [service = '', method = ''] = path.split('/')
  const found = files[service.split('.')[0] as keyof typeof files].service(service).methods[method]
  if (found?.resolvedRequestType == null || found.resolvedResponseType === null) throw new Error(`There is no ${path}`)
  return { requestType: found.resolvedRequestType, responseType: found.resolvedResponseType }
}

function metadataOf(headers: { readonly [name: string]: string }): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

function outcomeOf(error: ServiceError | null, message: CallOutcome['message'], requestId: string | undefined): CallOutcome {
  const trailer = (name: string) => error?.metadata?.get(name)[0]
  return {
    status: status[error?.code ?? status.OK] ?? '',
    details: error?.details ?? '',
    error: trailer('waggle-error')?.toString(),
    message,
    requestId: requestId ?? trailer('x-request-id')?.toString(),
  }
}
