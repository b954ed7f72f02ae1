import { status } from '@grpc/grpc-js'
import type { AnswerStream, GrpcCall, GrpcMethods } from './grpc-service.ts'
import type { ProtoFile } from './proto-file.ts'

export interface ReflectionServiceOptions {
  readonly files: readonly ProtoFile[]
  /** The full names of the services. */
  readonly services: readonly string[]
}

/**
 * gRPC's reflection service. It describes the services of this server to clients that have no proto files. Both versions of the service have the same
 * messages.
 */
export function reflectionMethods({ files, services }: ReflectionServiceOptions): GrpcMethods {
  const found = (file: ProtoFile | undefined, what: string) =>
    file === undefined
      ? { error_response: { error_code: status.NOT_FOUND, error_message: `There is no ${what.slice(0, 200)}` } }
      : { file_descriptor_response: { file_descriptor_proto: [file.descriptor] } }
  const answerTo = (request: ReflectionRequest): object => {
    switch (request.message_request) {
      case 'file_by_filename':
        return found(
          files.find(({ name }) => name === request.file_by_filename),
          `file ${request.file_by_filename}`,
        )
      case 'file_containing_symbol':
        return found(
          files.find(({ symbols }) => symbols.has(request.file_containing_symbol)),
          `symbol ${request.file_containing_symbol}`,
        )
      case 'list_services':
        return { list_services_response: { service: services.map((name) => ({ name })) } }
      default:
        return { error_response: { error_code: status.UNIMPLEMENTED, error_message: 'There are no extensions here' } }
    }
  }
  return {
    ServerReflectionInfo: {
      async bidi(requests: AsyncIterable<ReflectionRequest>, _: GrpcCall, answers: AnswerStream) {
        for await (const request of requests) await answers.send({ valid_host: request.host, original_request: request, ...answerTo(request) })
      },
    },
  }
}

interface ReflectionRequest {
  readonly host: string
  /** The name of the field that is set. */
  readonly message_request?: string
  readonly file_by_filename: string
  readonly file_containing_symbol: string
}
