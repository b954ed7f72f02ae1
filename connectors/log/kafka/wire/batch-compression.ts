import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { BrokerError } from '../cluster/broker-error.ts'
import { inflateLz4 } from './lz4.ts'
import { inflateSnappy } from './snappy.ts'

/**
 * Inflates the records of one batch, up to `maxInflatedBytes`. The client library's own LZ4 and Snappy are not used. With damaged input they corrupt
 * memory that the library's checksums need, and all later checksums in the process are wrong.
 */
export function inflate(data: Buffer, algorithm: number): Buffer {
  switch (algorithm) {
    case 1:
      return gunzipSync(data, { maxOutputLength: maxInflatedBytes })
    case 2:
      return inflateSnappy(data, maxInflatedBytes)
    case 3:
      return inflateLz4(data, maxInflatedBytes)
    case 4:
      return zstdDecompressSync(data, { maxOutputLength: maxInflatedBytes })
    default:
      throw new BrokerError('UNSUPPORTED_COMPRESSION_TYPE')
  }
}

export const maxInflatedBytes = 128 * 1024 * 1024
