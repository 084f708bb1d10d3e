// The part of the DOM that the tests use in pages: spec/ is compiled without its types.

export interface SubtleLike {
  generateKey(algorithm: object, extractable: boolean, usages: readonly string[]): Promise<unknown>;
}
export interface RequestLike {
  readonly result: unknown;
  onsuccess: () => void;
}
export interface FactoryLike {
  open(name: string): {
    readonly result: {
      createObjectStore(name: string): { put(value: unknown, key: string): void };
      transaction(name: string): { objectStore(name: string): { get(key: string): RequestLike } };
      close(): void;
    };
    onupgradeneeded: () => void;
    onsuccess: () => void;
    onerror: (error: unknown) => void;
  };
}

export interface DocumentLike {
  createElement(name: string): { setAttribute(name: string, value: string): void };
  readonly body: { append(element: unknown): void };
}
