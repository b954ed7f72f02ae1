/** The part of an untyped package that rocks.ts uses. Its synchronous calls are not documented, so the version of the package is pinned. */
declare module '@nxtedition/rocksdb' {
  export interface RocksLevel {
    open(options: object): Promise<void>
    close(): Promise<void>
    readonly handle: bigint
    /** The sequence number of the last write. */
    readonly sequence: number
    /** Reads a property by its name in RocksDB's `db.h`. */
    getProperty(name: string): string
    batch(): {
      _put(key: Uint8Array, value: Uint8Array, options: object): void
      _del(key: Uint8Array, options: object): void
      _writeSync(options: { sync: boolean }): void
      _clear(): void
    }
    /** Releases a batch or an iterator. Otherwise the database would keep the memory of the batch or iterator until the database closes. */
    detachResource(resource: object): void
    _getManySync(keys: readonly Uint8Array[], options: object): (Uint8Array | undefined)[]
    _clear(options: object, callback: (error: Error | null) => void): void
    _iterator(options: object): { _nextvSync(size: number, options: object): { rows: Uint8Array[]; finished: boolean }; _closeSync(): void }
  }

  const rocksdb: { readonly RocksLevel: new (directory: string | bigint, options: object) => RocksLevel }
  export default rocksdb
}
