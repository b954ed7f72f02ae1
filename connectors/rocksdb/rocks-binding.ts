// This reference is for projects that compile a clone of Waggle: without it, they do not find the declarations.
/// <reference path="./nxtedition-rocksdb.d.ts" />
import type { RocksLevel } from '@nxtedition/rocksdb'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Loads RocksDB's binding. Throws WAGGLE_PLATFORM if the binding has no binary for this machine. */
export async function loadRocksLevel(
  load: () => Promise<typeof import('@nxtedition/rocksdb')> = () => import('@nxtedition/rocksdb'),
): Promise<new (directory: string | bigint, options: object) => RocksLevel> {
  try {
    return (await load()).default.RocksLevel
  } catch (cause) {
    throw new WaggleError('WAGGLE_PLATFORM', {
      message: `RocksDB's binding does not load on ${process.platform}-${process.arch}; it has binaries for linux-x64 (glibc) and darwin-arm64`,
      next: 'Use one of these platforms, or a container with --platform linux/amd64.',
      cause,
    })
  }
}
