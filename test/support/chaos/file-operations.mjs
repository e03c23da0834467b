import { promises, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Puts a hook before and after every change of a file through node:fs/promises, for all importers. Plain JavaScript,
 * since it is also preloaded into the built program.
 * @type {import('./file-operations.d.mts').interceptFiles}
 */
export function interceptFiles(hook) {
  const { open, rename, mkdir, link, rm } = promises;

  const step = async (operation, work) => {
    await hook.before(operation);
    const result = await work();
    await hook.after?.(operation);
    return result;
  };

  promises.open = async (path, flags, mode) => {
    const name = String(path);
    if (!hook.wants(name)) return open(path, flags, mode);
    const writes = typeof flags === 'string' && /[wa+]/.test(flags);
    const handle = writes
      ? await step({ kind: 'open', path: name }, () => open(path, flags, mode))
      : await open(path, flags, mode);
    return watched(handle, name);
  };
  promises.rename = (from, to) =>
    hook.wants(String(to)) ? step({ kind: 'rename', path: String(to) }, () => rename(from, to)) : rename(from, to);
  promises.mkdir = (path, options) =>
    hook.wants(String(path))
      ? step({ kind: 'mkdir', path: String(path) }, () => mkdir(path, options))
      : mkdir(path, options);
  promises.link = (from, to) =>
    hook.wants(String(to)) ? step({ kind: 'link', path: String(to) }, () => link(from, to)) : link(from, to);
  promises.rm = (path, options) =>
    hook.wants(String(path)) ? step({ kind: 'rm', path: String(path) }, () => rm(path, options)) : rm(path, options);
  syncBuiltinESMExports();

  function watched(handle, path) {
    for (const name of ['write', 'writev', 'appendFile', 'writeFile']) {
      const method = handle[name].bind(handle);
      handle[name] = (data, ...rest) => {
        const { bytes, position } = written(name, data, rest);
        const part = (length) => writeSync(handle.fd, bytes, 0, Math.min(length, bytes.length), position);
        return step({ kind: 'write', path, length: bytes.length, part }, () => method(data, ...rest));
      };
    }
    for (const name of ['datasync', 'sync', 'truncate']) {
      const method = handle[name].bind(handle);
      const kind = name === 'truncate' ? 'truncate' : 'sync';
      handle[name] = (...rest) => step({ kind, path }, () => method(...rest));
    }
    return handle;
  }
}

/** What a call is about to write, and where; without a position behind what was written before. */
function written(name, data, [offset, length, position]) {
  const bytes = bytesOf(data);
  if (name === 'writev') return { bytes, position: typeof offset === 'number' ? offset : null };
  if (name !== 'write' || typeof data === 'string') return { bytes, position: null };
  const from = typeof offset === 'number' ? offset : 0;
  const many = typeof length === 'number' ? length : bytes.length - from;
  return { bytes: bytes.subarray(from, from + many), position: typeof position === 'number' ? position : null };
}

function bytesOf(data) {
  if (typeof data === 'string') return Buffer.from(data);
  if (Array.isArray(data))
    return Buffer.concat(data.map((one) => Buffer.from(one.buffer, one.byteOffset, one.byteLength)));
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
