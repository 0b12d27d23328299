package outbox

import (
	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	notYouEN = " If this was not you, tell our team at once."
	notYouTH = " หากไม่ใช่คุณ โปรดแจ้งทีมงานของเราทันที"
)

// accountTexts: {0} username, {1} time, {2} address.
func accountTexts() map[controlplane.AccountNoticeKind]text {
	at, atTH := " (account {0}, {1}, from {2}).", " (บัญชี {0} เวลา {1} จาก {2})"
	t := func(subject, sentence, subjectTH, sentenceTH string) text {
		return text{[2]string{subject, sentence + at + notYouEN}, [2]string{subjectTH, sentenceTH + atTH + notYouTH}}
	}
	return map[controlplane.AccountNoticeKind]text{
		controlplane.NoticeNewDevice: t("Sign-in from a new device", "Your account was signed in to from a device that we have not seen before",
			"มีการเข้าสู่ระบบจากอุปกรณ์ใหม่", "มีการเข้าสู่ระบบบัญชีของคุณจากอุปกรณ์ที่เราไม่เคยพบมาก่อน"),
		controlplane.NoticeLockout: t("Sign-in is paused", "There were too many wrong attempts to sign in to your account, so that sign-in is paused for a while",
			"ระงับการเข้าสู่ระบบชั่วคราว", "มีการพยายามเข้าสู่ระบบผิดพลาดหลายครั้งเกินไป จึงระงับการเข้าสู่ระบบชั่วคราว"),
		controlplane.NoticePasswordChanged: t("Password changed", "The password of your account was changed",
			"เปลี่ยนรหัสผ่านแล้ว", "รหัสผ่านของบัญชีของคุณถูกเปลี่ยน"),
		controlplane.NoticeSecondFactorAdded: t("Two-factor sign-in turned on", "Two-factor sign-in was turned on for your account",
			"เปิดใช้การยืนยันตัวตนสองขั้นตอนแล้ว", "เปิดใช้การยืนยันตัวตนสองขั้นตอนสำหรับบัญชีของคุณแล้ว"),
		controlplane.NoticeSecondFactorRemoved: t("Two-factor sign-in turned off", "Two-factor sign-in was turned off for your account",
			"ปิดการยืนยันตัวตนสองขั้นตอนแล้ว", "ปิดการยืนยันตัวตนสองขั้นตอนสำหรับบัญชีของคุณแล้ว"),
		controlplane.NoticeRecoveryCodeUsed: t("Recovery code used", "A recovery code was used to sign in to your account",
			"มีการใช้รหัสกู้คืน", "มีการใช้รหัสกู้คืนเพื่อเข้าสู่ระบบบัญชีของคุณ"),
		controlplane.NoticeRecoveryCodesMade: t("New recovery codes", "New recovery codes were made for your account, and the old ones no longer work",
			"สร้างรหัสกู้คืนใหม่แล้ว", "สร้างรหัสกู้คืนใหม่สำหรับบัญชีของคุณแล้ว รหัสเดิมใช้ไม่ได้อีกต่อไป"),
	}
}

// keyTexts: {0} key id, {1} time, {2} when the key stops.
func keyTexts() map[controlplane.KeyNoticeKind]text {
	return map[controlplane.KeyNoticeKind]text{
		controlplane.KeyNoticeIssued: {
			[2]string{"API key issued", "The API key {0} was issued ({1})." + notYouEN},
			[2]string{"ออกคีย์ API แล้ว", "ออกคีย์ API {0} แล้ว ({1})" + notYouTH}},
		controlplane.KeyNoticeRotated: {
			[2]string{"API key rotated", "The API key {0} was replaced ({1}). It works until {2}; use the new key from now on." + notYouEN},
			[2]string{"เปลี่ยนคีย์ API แล้ว", "คีย์ API {0} ถูกแทนที่แล้ว ({1}) คีย์นี้ใช้ได้ถึง {2} โปรดใช้คีย์ใหม่ตั้งแต่บัดนี้" + notYouTH}},
		controlplane.KeyNoticeRetired: {
			[2]string{"API key stopped", "The API key {0} was stopped ({1}). Requests signed with it are refused from {2} on." + notYouEN},
			[2]string{"หยุดใช้คีย์ API แล้ว", "คีย์ API {0} ถูกหยุดใช้ ({1}) คำขอที่ลงนามด้วยคีย์นี้จะถูกปฏิเสธตั้งแต่ {2}" + notYouTH}},
		controlplane.KeyNoticeStopping: {
			[2]string{"API key in use is about to stop", "The API key {0} is still in use and stops at {2}. Requests signed with it are refused from then on: move your servers to the new key."},
			[2]string{"คีย์ API ที่ใช้อยู่กำลังจะหมดอายุ", "คีย์ API {0} ยังถูกใช้งานอยู่และจะหยุดทำงานเมื่อ {2} หลังจากนั้นคำขอที่ลงนามด้วยคีย์นี้จะถูกปฏิเสธ โปรดย้ายเซิร์ฟเวอร์ของคุณไปใช้คีย์ใหม่"}},
	}
}

// endpointTexts: {0} endpoint id, {1} environment, {2} time, {3} since when it fails,
// {4} until when it is paused.
func endpointTexts() map[controlplane.EndpointNoticeKind]text {
	return map[controlplane.EndpointNoticeKind]text{
		controlplane.NoticeEndpointFailing: {
			[2]string{"Webhook endpoint failing", "Your webhook endpoint {0} ({1}) has failed since {3}. Its oldest event is tried again and again; the others wait, and nothing is lost. The portal shows what your server answered."},
			[2]string{"ปลายทางเว็บฮุกล้มเหลว", "ปลายทางเว็บฮุก {0} ({1}) ของคุณล้มเหลวตั้งแต่ {3} เราพยายามส่งเหตุการณ์ที่เก่าที่สุดซ้ำเรื่อย ๆ ส่วนเหตุการณ์อื่นรออยู่และไม่มีอะไรสูญหาย พอร์ทัลแสดงคำตอบของเซิร์ฟเวอร์ของคุณ"}},
		controlplane.NoticeEndpointRecovered: {
			[2]string{"Webhook endpoint works again", "Your webhook endpoint {0} ({1}), which failed since {3}, has answered again for half an hour. What waited is being delivered."},
			[2]string{"ปลายทางเว็บฮุกกลับมาใช้ได้", "ปลายทางเว็บฮุก {0} ({1}) ของคุณซึ่งล้มเหลวตั้งแต่ {3} กลับมาตอบได้ครึ่งชั่วโมงแล้ว กำลังส่งเหตุการณ์ที่รออยู่"}},
		controlplane.NoticeEndpointPaused: {
			[2]string{"Webhook endpoint paused", "Your webhook endpoint {0} ({1}) asked us with Retry-After to send nothing until {4} ({2}). Events wait until then, and nothing is lost. Further pauses within a day are not told by mail."},
			[2]string{"ปลายทางเว็บฮุกหยุดชั่วคราว", "ปลายทางเว็บฮุก {0} ({1}) ของคุณขอด้วย Retry-After ให้เราไม่ส่งอะไรจนถึง {4} ({2}) เหตุการณ์จะรอจนถึงเวลานั้นและไม่มีอะไรสูญหาย การหยุดครั้งต่อไปภายในหนึ่งวันจะไม่แจ้งทางอีเมล"}},
		controlplane.NoticeEndpointDisabled: {
			[2]string{"Webhook endpoint disabled", "Your webhook endpoint {0} ({1}) was disabled ({2}). Events are held, not dropped: enable it in the portal, then replay them. "},
			[2]string{"ปิดใช้งานปลายทางเว็บฮุกแล้ว", "ปลายทางเว็บฮุก {0} ({1}) ของคุณถูกปิดใช้งาน ({2}) เหตุการณ์ถูกพักไว้ ไม่ได้ถูกทิ้ง โปรดเปิดใช้งานในพอร์ทัลแล้วส่งซ้ำ "}},
	}
}

// reasonTexts say why an endpoint was disabled, after the sentences of the notice.
func reasonTexts() map[controlplane.DisabledReason]text {
	return map[controlplane.DisabledReason]text{
		"": {},
		controlplane.DisabledByHand: {
			[2]string{1: "Somebody did so by hand." + notYouEN}, [2]string{1: "มีผู้ปิดใช้งานด้วยตนเอง" + notYouTH}},
		controlplane.DisabledGone: {
			[2]string{1: "Your server answered 410 (gone)."}, [2]string{1: "เซิร์ฟเวอร์ของคุณตอบ 410 (gone)"}},
		controlplane.DisabledFailing: {
			[2]string{1: "Nothing had succeeded for five days."}, [2]string{1: "ไม่มีการส่งใดสำเร็จเป็นเวลาห้าวัน"}},
	}
}

// approvalText: {0} who asked, {1} operation, {2} whose, {3} time, {4} reason,
// {5} path in the console, {6} until when it waits.
func approvalText(breakGlass bool) text {
	if breakGlass {
		return text{
			[2]string{"Break-glass was used", "{0} made a change without a second pair of eyes: {1}, {2} ({3}). The reason given: {4}\n\nLook at it in the console, at {5}. If it was not called for, have it undone."},
			[2]string{"มีการใช้ break-glass", "{0} ทำการเปลี่ยนแปลงโดยไม่มีผู้ตรวจสอบคนที่สอง: {1}, {2} ({3}) เหตุผลที่ให้ไว้: {4}\n\nโปรดตรวจดูในคอนโซลที่ {5} หากไม่สมควร โปรดให้แก้กลับ"}}
	}
	return text{
		[2]string{"A change waits for your approval", "{0} asked for a change that takes a second pair of eyes: {1}, {2} ({3}). Nothing is changed until another platform admin approves it; it waits until {6}.\n\nLook at it in the console, at {5}."},
		[2]string{"มีการเปลี่ยนแปลงรอการอนุมัติจากคุณ", "{0} ขอการเปลี่ยนแปลงที่ต้องมีผู้ตรวจสอบคนที่สอง: {1}, {2} ({3}) จะไม่มีการเปลี่ยนแปลงใดจนกว่าผู้ดูแลแพลตฟอร์มคนอื่นจะอนุมัติ คำขอนี้รอจนถึง {6}\n\nโปรดตรวจดูในคอนโซลที่ {5}"}}
}
