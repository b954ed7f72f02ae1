import { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'

/**
 * Makes the client of the AWS SDK. If the user names a server (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`), the bucket is a part of the path, because
 * few such servers have a host name for each bucket. A region is then not needed.
 */
export async function openS3Client(env: { readonly [variable: string]: string | undefined }): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3')
  const hasEndpoint = Boolean(env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL)
  const hasRegion = Boolean(env.AWS_REGION || env.AWS_DEFAULT_REGION)
  const client = new S3Client({
    maxAttempts: 2,
    followRegionRedirects: true,
    forcePathStyle: hasEndpoint,
    ...(hasEndpoint && !hasRegion ? { region: 'us-east-1' } : {}),
    requestHandler: { connectionTimeout: connectMs, requestTimeout: answerMs, throwOnRequestTimeout: true },
  })
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args)
      const { statusCode, body } = result.response as { statusCode: number; body: unknown }
      // Errors and lists are parsed as a whole, so their size is bounded here. The bytes of an object are counted where they are written to the disk.
      const isParsed = context.commandName !== 'GetObjectCommand' || statusCode >= 300
      if (isParsed && body instanceof Readable) Object.assign(result.response as object, { body: bounded(body) })
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'boundedAnswers' },
  )
  return client
}

function bounded(body: Readable): Readable {
  let bytes = 0
  return Readable.from(
    (async function* () {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) throw new Error(`the server's answer is larger than ${maxAnswerBytes} bytes`)
        yield chunk
      }
    })(),
    { objectMode: false },
  )
}

/** This size is enough for a page of 1,000 keys of 1,024 bytes, with each byte written as an XML entity. */
const maxAnswerBytes = 16 * 1024 * 1024
const connectMs = 10_000
const answerMs = 30_000
