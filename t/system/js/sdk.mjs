// The AWS SDK for JavaScript in its default settings (checksums in trailers): objects
// in one piece and in parts, copies, batches, versions, presigned URLs.
//   node sdk.mjs ENDPOINT BUCKET KEY SECRET CHECKSUMS FILE...
// CHECKSUMS is "true" where the server knows them.
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { Readable } from "node:stream";
import assert from "node:assert";
import {
  CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand,
  GetObjectTaggingCommand, HeadObjectCommand, ListMultipartUploadsCommand,
  ListObjectsV2Command, ListObjectVersionsCommand, paginateListObjectsV2,
  PutBucketVersioningCommand, PutObjectCommand, PutObjectTaggingCommand, S3Client,
  UploadPartCopyCommand, CreateMultipartUploadCommand, CompleteMultipartUploadCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint, Bucket, accessKeyId, secretAccessKey, checksums, ...files] = process.argv.slice(2);
const options = { endpoint, region: "us-east-1", forcePathStyle: true,
                  credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
const client = new S3Client({
  ...options, ...(checksums === "true" ? {} : { requestChecksumCalculation: "WHEN_REQUIRED" }) });
const MIB = 1024 * 1024;
const send = (Command, input) => client.send(new Command({ Bucket, ...input }));
const body = async (input) =>
  Buffer.from(await (await send(GetObjectCommand, input)).Body.transformToByteArray());

async function md5(stream) {
  const hash = createHash("md5");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

async function wholeFiles() {
  for (const file of files) {
    const Key = "js dir/+" + basename(file) + " é";
    const size = statSync(file).size;
    const expected = await md5(createReadStream(file));
    const put = await send(PutObjectCommand, {
      Key, Body: createReadStream(file), ContentLength: size, Metadata: { a: "b" } });
    assert.strictEqual(put.ETag, `"${expected}"`);
    const head = await send(HeadObjectCommand, { Key });
    assert.strictEqual(head.ContentLength, size);
    assert.strictEqual(head.Metadata.a, "b");
    const got = await send(GetObjectCommand, { Key });
    assert.strictEqual(await md5(got.Body), expected);
    if (size > 10) {
      const part = await send(GetObjectCommand, { Key, Range: "bytes=3-9" });
      assert.strictEqual(part.ContentRange, `bytes 3-9/${size}`);
      assert.strictEqual(await md5(part.Body),
                         await md5(createReadStream(file, { start: 3, end: 9 })));
    }
    const list = await send(ListObjectsV2Command, { Prefix: "js dir/" });
    assert.ok(list.Contents.some((o) => o.Key === Key && o.Size === size));
    await send(DeleteObjectCommand, { Key });
    await assert.rejects(send(HeadObjectCommand, { Key }), { name: "NotFound" });
  }
  // Strings and buffers take another path through the SDK than streams.
  for (const Body of ["", "x", "text with ü", Buffer.alloc(300000, 7)]) {
    await send(PutObjectCommand, { Key: "memory", Body });
    assert.deepStrictEqual(await body({ Key: "memory" }), Buffer.from(Body));
  }
}

async function uploads() {
  for (const file of files) {
    const Key = "up/" + basename(file);
    const upload = new Upload({ client, queueSize: 4, partSize: 5 * MIB, params: {
      Bucket, Key, Body: createReadStream(file), ContentType: "image/x-a" } });
    const done = await upload.done();
    const got = await send(GetObjectCommand, { Key });
    assert.strictEqual(await md5(got.Body), await md5(createReadStream(file)));
    assert.strictEqual(got.ContentType, "image/x-a");
    if (statSync(file).size > 5 * MIB) {
      assert.match(got.ETag, /-13"$/);
      if (checksums === "true") assert.ok(done.ChecksumCRC32, "the checksum of the whole");
    }
  }
  // A stream that fails in the middle leaves nothing.
  const broken = Readable.from((async function* () {
    yield Buffer.alloc(6 * MIB);
    throw new Error("the source is gone");
  })());
  const upload = new Upload({ client, partSize: 5 * MIB, params: { Bucket, Key: "no", Body: broken } });
  await assert.rejects(upload.done());
  await upload.abort();
  await assert.rejects(send(HeadObjectCommand, { Key: "no" }));
  assert.strictEqual(((await send(ListMultipartUploadsCommand, {})).Uploads ?? []).length, 0);
}

async function copies() {
  const Key = "from +/ü", content = Buffer.alloc(6 * MIB, "0123456789");
  const CopySource = encodeURI(`${Bucket}/${Key}`).replace("+", "%2B");
  await send(PutObjectCommand, { Key, Body: content, ContentType: "image/x-a", Tagging: "a=1" });
  await send(CopyObjectCommand, { Key: "to", CopySource });
  assert.strictEqual((await send(HeadObjectCommand, { Key: "to" })).ContentType, "image/x-a");
  await send(CopyObjectCommand, { Key: "other", CopySource, MetadataDirective: "REPLACE",
                                  ContentType: "image/x-b", Metadata: { c: "d" } });
  const other = await send(HeadObjectCommand, { Key: "other" });
  assert.deepStrictEqual([other.ContentType, other.Metadata.c], ["image/x-b", "d"]);
  assert.deepStrictEqual(await body({ Key: "to" }), content);
  const tags = await send(GetObjectTaggingCommand, { Key: "to" });
  assert.deepStrictEqual(tags.TagSet, [{ Key: "a", Value: "1" }]);
  await send(PutObjectTaggingCommand, { Key: "to", Tagging: { TagSet: [{ Key: "ü", Value: "= @" }] } });
  assert.deepStrictEqual((await send(GetObjectTaggingCommand, { Key: "to" })).TagSet,
                         [{ Key: "ü", Value: "= @" }]);
  const { UploadId } = await send(CreateMultipartUploadCommand, { Key: "parts" });
  const Parts = [];
  for (const [PartNumber, CopySourceRange] of [[1, `bytes=0-${5 * MIB - 1}`],
                                               [2, `bytes=${5 * MIB}-${6 * MIB - 1}`]]) {
    const { CopyPartResult } = await send(UploadPartCopyCommand,
      { Key: "parts", UploadId, PartNumber, CopySource, CopySourceRange });
    Parts.push({ PartNumber, ETag: CopyPartResult.ETag });
  }
  await send(CompleteMultipartUploadCommand, { Key: "parts", UploadId, MultipartUpload: { Parts } });
  assert.deepStrictEqual(await body({ Key: "parts" }), content);
}

async function batches() {
  const keys = Array.from({ length: 40 }, (_, n) => `batch/${n} ü&`);
  await Promise.all(keys.map((Key) => send(PutObjectCommand, { Key, Body: Key })));
  const found = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 11 }, { Bucket, Prefix: "batch/" }))
    found.push(...page.Contents.map((o) => o.Key));
  assert.deepStrictEqual(found, [...keys].sort());
  const answer = await send(DeleteObjectsCommand, { Delete: { Objects: keys.map((Key) => ({ Key })) } });
  assert.strictEqual(answer.Deleted.length, 40);
  assert.strictEqual((await send(ListObjectsV2Command, { Prefix: "batch/" })).KeyCount, 0);
}

async function presigned() {
  // By default the checksum of no body at all becomes a part of the URL.
  const url = (Command) => getSignedUrl(client, new Command({ Bucket, Key: "signed ü" }));
  const put = await fetch(await url(PutObjectCommand), { method: "PUT", body: "from a browser" });
  assert.strictEqual(put.status, 200, await put.text());
  assert.strictEqual(await (await fetch(await url(GetObjectCommand))).text(), "from a browser");
}

async function versions() {
  const Key = "v";
  await send(PutBucketVersioningCommand, { VersioningConfiguration: { Status: "Enabled" } });
  const ids = [];
  for (const Body of ["one", "two"]) ids.push((await send(PutObjectCommand, { Key, Body })).VersionId);
  const marker = await send(DeleteObjectCommand, { Key });
  assert.ok(marker.DeleteMarker);
  await assert.rejects(send(GetObjectCommand, { Key }), { name: "NoSuchKey" });
  const list = await send(ListObjectVersionsCommand, { Prefix: Key });
  assert.deepStrictEqual(list.Versions.map((v) => v.VersionId), [...ids].reverse());
  assert.deepStrictEqual(list.DeleteMarkers.map((m) => [m.VersionId, m.IsLatest]),
                         [[marker.VersionId, true]]);
  assert.strictEqual((await body({ Key, VersionId: ids[0] })).toString(), "one");
}

for (const part of [wholeFiles, uploads, copies, batches, presigned, versions]) {
  await part();
  console.log("ok", part.name);
}
